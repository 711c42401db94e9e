"""Updates, from outside: the page's API brings a bundle, and the box ends in the right system and says why.

Each test is one card's story, since a boot in emulation takes a minute or two.
"""

import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.simcam import Simcam
from vm.rig.system import bundle

COMMIT = "/usr/lib/systemd/system/pulsebox-commit.service.d/test.conf"
# A new system has less time than ten minutes here, and needs to hold for less than twenty seconds. A host that is busy
# does not let an emulated box feed its watchdog every 14 s while it writes a whole system.
PATIENT = "/usr/lib/systemd/system.conf.d/90-test.conf"
SHORT = {
    COMMIT: b"[Service]\nEnvironment=COMMIT_WITHIN=180 COMMIT_HOLDS=5\n",
    PATIENT: b"[Manager]\nRuntimeWatchdogSec=10min\n",
}
BE_PATIENT = (
    "busctl set-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager "
    "RuntimeWatchdogUSec t 600000000"
)
# Emulated boots, three of them where a system does not start.
BOOT, BOOTS = 600, 1200
CAMERAS = 2


def release(version: str, files: dict[str, bytes] | None = None, **more) -> Path:
    """A bundle of this version, with the short times."""
    return bundle(version, files=SHORT | (files or {}), **more)


def upload(box: Appliance, body: bytes, install: bool = True) -> int:
    """POST /api/update; the answer's status."""
    headers = {"Authorization": f"Bearer {box._token}", "Content-Type": "application/octet-stream"}
    query = "" if install else "?install=false"
    request = urllib.request.Request(f"{box.page}/api/update{query}", body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def update(box: Appliance) -> dict:
    """What the box tells of its update; nothing while nobody answers."""
    try:
        return box.get("/api/status")["host"]["appliance"]["update"] or {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def until_update(box: Appliance, *states: str, seconds: float = 300) -> dict:
    """Waits until the update is in one of these states."""
    found: dict = {}

    def holds() -> bool:
        found.clear()
        found.update(update(box))
        return found.get("state") in states

    box.until(f"the update is {' or '.join(states)}, not {found}", holds, seconds)
    return found


def slot(box: Appliance) -> str:
    """Which slot runs."""
    return box.get("/api/status")["host"]["appliance"]["slot"]


def rolled_back(box: Appliance) -> str:
    """Waits until the box has put an update back; the reason as the API, the fact and STATUS.TXT tell it."""
    told = until_update(box, "rolled_back", seconds=BOOTS)
    assert slot(box) == "A"
    assert "rolled-back" in box.ask("cat /run/box/update")
    assert "cause=rollback" in box.ask("cat /run/box/start")
    assert box.run("test -e /data/rauc/trial").code != 0
    box.until("slot A is marked good", lambda: box.card.environment()["BOOT_A_LEFT"] == "3", 120)
    assert box.card.environment()["BOOT_ORDER"] == "A B"
    return told["message"]


@contextmanager
def watching(name: str):
    """A claimed box that sees its cameras."""
    with Simcam(CAMERAS, "--protocol", "http-mjpeg") as cameras:
        card = Card.new()
        listed = "".join(f'  - {{ id: cam-{at}, name: Cam {at}, url: "{url}" }}\n' for at, url in enumerate(cameras.urls))
        card.put("pulsebox.yaml", f"heartbeat_seconds: 10\nstreams:\n{listed}".encode())
        with Appliance(card, name=name) as box:
            box.until_up(BOOT)
            box.ask(BE_PATIENT)
            box.until_healthy(BOOT)
            box.claim()
            box.until("the cameras are up", lambda: "cam-0,cam-1" in box.run("cat /run/pulsebox/up").text, 180)
            yield box, cameras


@pytest.fixture(scope="module")
def good() -> Path:
    """A good new version, with a file more for p1."""
    firmware = "/usr/share/pulsebox/firmware"
    return release("9.9.9", {f"{firmware}/version.txt": b"9.9.9\n", f"{firmware}/overlays/new.txt": b"new\n"})


def test_what_does_not_fit_is_refused_with_a_reason_and_a_cut_while_writing_costs_nothing(good):
    with watching("update-refused") as (box, _):
        for body, reason in (
            (release("9.0.0", key="other").read_bytes(), "not signed by anybody this box trusts"),
            (release("9.0.0", board="pulsebox-rpi64").read_bytes(), "is for pulsebox-rpi64, and this box is a pulsebox-qemu"),
            (b"no bundle at all" * 10000, "no Pulsebox update, or it is damaged"),
        ):
            assert upload(box, body) == 202
            told = until_update(box, "refused")
            assert reason in told["message"], told
            box.run("rm -f /run/box/update")
        assert "BOOT_ORDER=A B" in box.ask("fw_printenv BOOT_ORDER"), "nothing was written"

        # One whose program is too old for the history that the box has.
        assert upload(box, good.read_bytes(), install=False) == 202
        until_update(box, "waiting")
        box.ask("systemctl stop pulsebox && cp /data/pulsebox/history.sqlite /run/kept")
        box.ask(r"printf '\0\0\003\347' | dd of=/data/pulsebox/history.sqlite bs=1 seek=60 conv=notrunc 2>/dev/null")
        box.ask("mkdir -p /run/pulsebox/ask && touch /run/pulsebox/ask/check")
        box.until("it is refused", lambda: "state=refused" in box.ask("cat /run/box/update"), 180)
        assert "is too old for this box" in box.ask("cat /run/box/update")
        box.ask("cat /run/kept >/data/pulsebox/history.sqlite && systemctl start pulsebox")
        box.until_healthy()

        # Verified and left waiting; installed when asked; the plug is pulled in the middle of writing.
        assert upload(box, good.read_bytes(), install=False) == 202
        assert until_update(box, "waiting")["version"] == "9.9.9"
        box.post("/api/update/install")
        box.until("half of it is written", lambda: (update(box).get("percent") or 0) >= 60, 300)
        box.cut()
        box.power_on()
        box.until_up(BOOT)
        box.ask(BE_PATIENT)
        box.until_healthy(BOOT)
        told = until_update(box, "failed")
        assert "broke off" in told["message"] and slot(box) == "A"
        assert box.ask("ls /data/rauc/*.raucb /data/rauc/writing 2>/dev/null || true") == ""

        # A second try works.
        assert upload(box, good.read_bytes()) == 202
        until_update(box, "good", seconds=BOOT)
        assert slot(box) == "B"
        assert "cause=update" in box.ask("cat /run/box/start")
        assert box.card.environment()["BOOT_B_LEFT"] == "3"
        box.cut()
        assert box.card.read("version.txt") == b"9.9.9\n" and box.card.read("overlays/new.txt") == b"new\n"


def test_a_new_system_that_never_reaches_its_programs_is_left_after_three_tries():
    broken = release("9.1.0", {"/usr/lib/systemd/systemd": b"#!/bin/sh\nexit 1\n"})
    with watching("update-hangs") as (box, _):
        assert upload(box, broken.read_bytes()) == 202
        message = rolled_back(box)
        assert "9.1.0" in message and "did not start: three tries" in message, message


CRASHES = b"#!/bin/sh\nexit 7\n"
# Whatever the box asks of the cameras, and of anybody, is dropped.
NO_CAMERAS = b"[Unit]\nDefaultDependencies=no\nBefore=pulsebox.service\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'ip route add blackhole 10.0.2.2'\n[Install]\nWantedBy=multi-user.target\n"
WANTED = "/usr/lib/systemd/system/multi-user.target.wants"
BAD = {
    "whose daemon crashes": ({"/usr/bin/pulsebox": CRASHES}, "does not keep running"),
    "whose network is dead": ({"/etc/systemd/system/systemd-networkd.service": b"link:/dev/null"}, "network"),
    "that loses its cameras": (
        {
            "/usr/lib/systemd/system/broken.service": NO_CAMERAS,
            f"{WANTED}/broken.service": b"link:../broken.service",
        },
        "cam",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_new_system_puts_itself_back_and_the_reason_is_shown(bad):
    files, reason = BAD[bad]
    with watching("update-bad") as (box, _):
        assert upload(box, release("9.2.0", files).read_bytes()) == 202
        message = rolled_back(box)
        assert "9.2.0" in message and reason in message, message
        box.until("STATUS.TXT tells it", lambda: "9.2.0" in box.run("cat /boot/firmware/STATUS.TXT").text, 180)

