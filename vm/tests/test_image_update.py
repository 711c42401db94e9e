"""Updates, from outside: a bundle comes by the page's API or by a stick; the box ends in the right system and says why.

A start in emulation takes a minute or more, so they are few: eleven whole ones, and six that end before the first
program. One box goes through what is about bringing and writing a system, and ends with the one that loses its cameras.
For the other bad ones, cards are made on which they were just written.
"""

import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from vm.rig import data
from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.simcam import Simcam
from vm.rig.stick import Stick
from vm.rig.system import bundle, given_image
from vm.tests.test_image_data import cut_as_soon

UNITS = "/usr/lib/systemd/system"
STANDS_STILL = b"this system stands still"
# The partition of slot B.
SLOT_B = 3
# What a system needs to run, for bundles that never come as far; the C library is where Debian or Buildroot has it.
C_LIBRARY = "/usr/lib/aarch64-linux-gnu" if given_image() is None else "/usr/lib/libc.so.6"
MOST = ["/usr/lib/modules", C_LIBRARY, "/usr/bin/pulsebox"]
# From a restart to the rig's shell, and to the page; from the end of a write to a new system's proof. The host may be
# busy.
START, PAGE, PROOF = 700, 400, 900
WRITING = 600


def system(version: str, files: dict[str, bytes] | None = None) -> Path:
    """A bundle of this version, with these changes."""
    holds = {f"{UNITS}/pulsebox-commit.service.d/test.conf": b"[Service]\nEnvironment=COMMIT_HOLDS=5\n"}
    return bundle(version, files=holds | (files or {}))


def a_good_one() -> Path:
    """With a file more for p1."""
    firmware = "/usr/share/pulsebox/firmware"
    return system("9.9.9", {f"{firmware}/version.txt": b"9.9.9\n", f"{firmware}/overlays/new.txt": b"new\n"})


def of_another_key() -> Path:
    return bundle("9.0.0", remove=MOST, key="other")


def of_another_board() -> Path:
    return bundle("9.0.0", remove=MOST, board="pulsebox-rpi64")


def without_programs() -> Path:
    """Its first program cannot be started: the kernel panics."""
    return bundle("9.1.0", remove=MOST)


def that_stands_still() -> Path:
    """Its first program does nothing, and nothing watches it: a hang before systemd has taken the watchdog."""
    shell = "/usr/lib/rig/busybox"
    says = f"{shell} echo {STANDS_STILL.decode()} >/dev/console"
    first = f"#!{shell} sh\n{says}\nwhile :; do {shell} sleep 1000; done\n".encode()
    return bundle("9.1.1", files={"/usr/sbin/init": first}, remove=["/usr/sbin/init", *MOST])


# What is wrong, what shows it in the new system, and what the box is to say of it.
BAD = {
    "whose program crashes": (
        "9.2.0",
        {"/usr/bin/pulsebox": b"#!/bin/sh\nexit 7\n"},
        "[ $(systemctl show --value -p NRestarts pulsebox) -ge 1 ]",
        "does not keep running",
    ),
    "whose network is dead": (
        "9.3.0",
        {"/etc/systemd/system/systemd-networkd.service": b"link:/dev/null"},
        "grep -q 'network that was there' /run/pulsebox/wellness",
        "the network that was there before is not there",
    ),
}
CAMERAS_ARE_LOST = "grep 'cam-0 (' /run/pulsebox/wellness | grep -qv 'not looked at yet'"


def without_cameras() -> Path:
    """Nothing reaches the network where the cameras are. networkd removes routes of others, so this one is kept up."""
    no_way = b"[Service]\nExecStart=/bin/sh -c 'while :; do ip route replace blackhole 10.0.2.2; sleep 1; done'\n"
    wanted = f"{UNITS}/multi-user.target.wants/no-way.service"
    return system("10.4.0", {f"{UNITS}/no-way.service": no_way, wanted: b"link:../no-way.service"})


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


def tells(box: Appliance) -> dict:
    """The box's own system as the API tells it; nothing while nobody answers."""
    try:
        return box.get("/api/system")["host"]["appliance"] or {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def until_update(box: Appliance, state: str, says: str = "", seconds: float = 300) -> dict:
    """Waits until the API tells this state of the update, and a message with these words in it."""
    told: dict = {}

    def holds() -> bool:
        told.clear()
        told.update(tells(box).get("update") or {})
        return told.get("state") == state and says in (told.get("message") or "")

    try:
        box.until(f"the update is {state}: {says}", holds, seconds)
    except AssertionError as error:
        raise AssertionError(f"the update is {told}\n{box.run('cat /run/box/update').text}\n{error}") from None
    return told


def until_ready(box: Appliance) -> None:
    """The page answers and the box has seen its cameras in this boot."""
    box.until_healthy(PAGE)
    seen = "cat /run/pulsebox/up"
    box.until("the cameras are up", lambda: box.run(seen).text.splitlines()[:1] == ["cam-0,cam-1"], 180)


def configuration(cameras: Simcam) -> bytes:
    listed = "".join(f'  - {{ id: cam-{at}, name: Cam {at}, url: "{url}" }}\n' for at, url in enumerate(cameras.urls))
    return f"heartbeat_seconds: 10\nstreams:\n{listed}".encode()


def gives_up(box: Appliance, shown: str) -> None:
    """A system on trial has ten minutes. As soon as what is wrong with it shows, this one has five seconds more."""
    box.ask(f"until {shown}; do sleep 1; done", 500)
    folder = "/run/systemd/system/pulsebox-commit.service.d"
    box.ask(f"mkdir -p {folder} && printf '[Service]\\nEnvironment=COMMIT_WITHIN=5\\n' >{folder}/zz.conf")
    box.ask("systemctl daemon-reload && systemctl restart --no-block pulsebox-commit")
    box.until_restarted(START)


def is_back(box: Appliance, slot: str, version: str, reason: str) -> None:
    """The box runs the system before, and says why: in facts, API and on the card."""
    assert box.facts("start")["slot"] == slot and box.facts("start")["cause"] == "rollback"
    told = box.facts("update")
    assert told["state"] == "rolled-back" and version in told["message"] and reason in told["message"], told
    until_ready(box)
    if box._token is None:
        box.claim()
    assert until_update(box, "rolled_back", reason)["version"] == version
    recorded = box.get("/api/system")["starts"][0]
    assert (recorded["cause"], recorded["slot"]) == ("rollback", slot), recorded
    shown = "cat /boot/firmware/STATUS.TXT"
    box.until("STATUS.TXT tells it", lambda: reason in " ".join(box.run(shown).text.split()), 180)
    box.until("this slot is good", lambda: box.card.environment()[f"BOOT_{slot}_LEFT"] == "3", 120)
    assert box.card.environment()["BOOT_ORDER"].split()[0] == slot
    assert box.run("test -e /data/rauc/trial").code != 0


def system_image(new: Path) -> bytes:
    """What a bundle brings for a slot."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["unsquashfs", "-quiet", "-no-progress", "-d", f"{folder}/bundle", str(new), "system.img"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return Path(folder, "bundle/system.img").read_bytes()


def just_written(new: Path, version: str, cameras: Simcam, *, is_proved: bool = False) -> Card:
    """A card on which this bundle's system was just written to slot B, and is to be tried; A has seen two cameras. Or
    one on which it has proved itself since.
    """
    card = Card.new()
    card.poke(SLOT_B, 0, system_image(new))
    trial = f"slot=B\nfrom=A\nversion={version}\nwas_failed=\nwas_up=cam-0,cam-1\nwas_network=yes\n".encode()
    own = {"box/last-start": b"boot=x\nslot=A\n", "pulsebox/pulsebox.yaml": configuration(cameras)}
    own |= {"rauc/good-B": f"version={version}\n".encode()} if is_proved else {"rauc/trial": trial}
    data.made(card, own)
    card.set_environment({"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"})
    return card


@pytest.mark.parametrize("bad", BAD)
def test_a_new_system_puts_itself_back_and_the_reason_is_shown(appliance, bad):
    version, files, shown, reason = BAD[bad]
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        box = appliance(just_written(system(version, files), version, cameras))
        box.until_up(START)
        assert (box.facts("start")["slot"], box.facts("start")["cause"]) == ("B", "update")
        gives_up(box, shown)
        is_back(box, "A", version, reason)


def test_a_new_system_that_never_reaches_its_programs_is_left_after_three_tries(appliance):
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        box = appliance(just_written(without_programs(), "9.1.0", cameras))
        box.until_up(2 * START)
        assert box.console_log.read_bytes().count(b"Pulsebox: slot B from partition 3") == 3
        is_back(box, "A", "9.1.0", "did not start: three tries")


def test_a_new_system_that_hangs_is_left_once_the_plug_was_pulled_three_times(appliance):
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        box = appliance(just_written(that_stands_still(), "9.1.1", cameras))
        for tried in range(1, 4):
            cut_as_soon(box, f"it hangs, try {tried}", lambda: box.console_log.read_bytes().count(STANDS_STILL) == tried)
            box.power_on()
        box.until_up(START)
        is_back(box, "A", "9.1.1", "did not start: three tries")


def test_a_good_system_that_was_cut_off_three_times_on_its_way_up_is_tried_again(appliance):
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        card = just_written(system("9.9.1"), "9.9.1", cameras, is_proved=True)
        card.set_environment({"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "0"})
        box = appliance(card)
        box.until_up(START)
        assert (box.facts("start")["slot"], box.facts("start")["cause"]) == ("A", "rollback")
        until_ready(box)
        box.claim()
        told = until_update(box, "rolled_back", "did not start this time")
        assert "three times before it was up" in told["message"] and "again at the next start" in told["message"]
        box.restart()
        assert box.facts("start")["slot"] == "B"
        until_ready(box)
        box.until("its tries are whole", lambda: box.card.environment()["BOOT_B_LEFT"] == "3", 120)
        assert tells(box)["version"] == "9.9.1" and (tells(box).get("update") or {}).get("state") in (None, "none"), tells(box)


@pytest.fixture(scope="module")
def claimed(yard) -> Iterator[Appliance]:
    """A box with two cameras, that somebody has claimed. Off before the tests that have a box of their own."""
    yard.stop()
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        card = Card.new()
        card.put("pulsebox.yaml", configuration(cameras))
        with Appliance(card, name="updates", options=Stick.PORT) as box:
            box.until_up(START)
            box.until_healthy(PAGE)
            box.claim()
            yield box


@pytest.fixture
def box(request, claimed) -> Appliance:
    """The box as each test finds it: well, and on no trial."""
    request.node.appliances = [claimed]
    until_ready(claimed)
    assert claimed.run("test -e /data/rauc/trial").code != 0
    return claimed


def test_what_does_not_fit_is_refused_with_a_reason_and_nothing_is_written(box):
    before = box.card.peek(SLOT_B, 0, 1 << 20)
    for body, reason in (
        (of_another_key().read_bytes(), "not signed by anybody this box trusts"),
        (of_another_board().read_bytes(), "is for pulsebox-rpi64, and this box is a pulsebox-qemu"),
        (b"no bundle at all" * 10000, "no Pulsebox update, or it is damaged"),
    ):
        assert upload(box, body) == 202
        until_update(box, "refused", reason)

    # Its program knows an older form of the history than the box has.
    assert upload(box, without_programs().read_bytes(), install=False) == 202
    assert until_update(box, "waiting")["version"] == "9.1.0"
    history = "/data/pulsebox/history.sqlite"
    box.ask(f"systemctl stop pulsebox && cp {history} /run/kept")
    box.ask(rf"printf '\0\0\003\347' | dd of={history} bs=1 seek=60 conv=notrunc 2>/dev/null")
    box.ask("mkdir -p /run/pulsebox/ask && touch /run/pulsebox/ask/check && systemctl start pulsebox-check.path")
    box.until("it is looked at", lambda: box.facts("update")["state"] == "refused", 180)
    box.ask(f"cat /run/kept >{history} && systemctl start pulsebox")
    until_update(box, "refused", "is too old for this box")
    assert box.ask("ls /data/rauc/*.raucb 2>/dev/null || true") == ""
    assert box.card.environment().get("BOOT_ORDER", "A B") == "A B"
    assert box.card.peek(SLOT_B, 0, 1 << 20) == before


def test_a_cut_while_writing_costs_nothing_and_a_second_try_brings_the_new_system(box):
    # Verified and left waiting; installed when asked; the plug is pulled in the middle of writing.
    good, before = a_good_one().read_bytes(), tells(box)["slot"]
    assert upload(box, good, install=False) == 202
    assert until_update(box, "waiting")["version"] == "9.9.9"
    box.post("/api/update/install")
    box.until("half of it is written", lambda: ((tells(box).get("update") or {}).get("percent") or 0) >= 60, WRITING)
    box.cut()
    box.power_on()
    box.until_up(START)
    until_ready(box)
    until_update(box, "failed", "broke off")
    assert tells(box)["slot"] == before
    assert box.ask("ls /data/rauc/*.raucb /data/rauc/writing 2>/dev/null || true") == ""

    assert upload(box, good) == 202
    box.until_restarted(WRITING + START)
    until_update(box, "good", seconds=PROOF)
    assert tells(box)["slot"] != before and box.facts("start")["cause"] == "update"
    words = box.card.environment()
    assert words["BOOT_ORDER"].split()[0] == tells(box)["slot"] and words[f"BOOT_{tells(box)['slot']}_LEFT"] == "3"
    assert box.card.read("version.txt") == b"9.9.9\n" and box.card.read("overlays/new.txt") == b"new\n"


def test_a_system_that_loses_the_cameras_is_put_back_and_not_taken_again_from_the_stick_that_brought_it(box):
    before = tells(box)["slot"]
    with Stick({"pulsebox-10.4.0.raucb": without_cameras(), "pulsebox-9.1.9.raucb": of_another_key()}) as stick:
        stick.plug(box)
        box.until_restarted(WRITING + START)
        assert box.facts("start")["slot"] != before, "the new system was tried"
        gives_up(box, CAMERAS_ARE_LOST)
        is_back(box, before, "10.4.0", "cam-0")
        looked = "journalctl -b --no-pager -u pulsebox-usb@sda1"
        box.until("the stick was looked at again", lambda: "not again from a stick" in box.run(looked).text, 180)
        stick.unplug(box)
