"""Why the appliance started and who may come in: the watchdog, a panic's words, SSH; and power cuts during a factory
reset.

One box with two starts for the first ones; three starts for the last, two of them cut short.
"""

import re
import subprocess

import pytest

from vm.rig import data
from vm.rig.appliance import Appliance
from vm.rig.card import GIB, Card, CardError
from vm.rig.data import MIB
from vm.tests.test_image_data import LONG, SECRET, cut_as_soon, on_the_card

SSH = 22
# Gives the watchdog's device back and takes it anew: on a busy host it may have run out before.
TAKE_WATCHDOG = "for s in 0 14000000; do busctl set-property org.freedesktop.systemd1 /org/freedesktop/systemd1 \
org.freedesktop.systemd1.Manager RuntimeWatchdogUSec t $s; done"


@pytest.fixture(scope="module")
def box():
    """A box without authorized_keys on its card, at rest after its first start."""
    with Appliance(Card.new(GIB), name="image-causes", ports=(80, SSH)) as box:
        box.until_up()
        box.until_healthy(LONG)
        assert box.until_settled(LONG) == ("running", "")
        yield box


def listens(box: Appliance) -> bool:
    """Whether anything listens on SSH's port."""
    return re.search(rf":{SSH:04X} \S+ 0A ", box.ask("cat /proc/net/tcp /proc/net/tcp6")) is not None


def test_ssh_is_on_only_where_the_boot_partition_has_keys(box, tmp_path):
    assert not listens(box)
    for name in ("owner", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    # As a PC on Windows leaves it.
    box.console.put("/run/rig/keys", (tmp_path / "owner.pub").read_bytes().replace(b"\n", b"\r\n"))
    box.ask("/usr/lib/pulsebox/with-p1 cp /run/rig/keys /boot/firmware/authorized_keys.txt")
    box.ask("systemctl restart pulsebox-ssh")
    box.until("it listens", lambda: listens(box), 120)
    welcome = signed_in(box, tmp_path / "owner")
    assert welcome.stdout.split() == ["0", "pulsebox"], welcome.stderr
    refused = signed_in(box, tmp_path / "stranger")
    assert refused.returncode == 255 and "Permission denied (publickey)" in refused.stderr, refused.stderr
    host_key = box.ask("md5sum /data/ssh/host-key")

    box.ask("systemctl restart pulsebox-ssh")
    box.until("it listens again", lambda: listens(box), 120)
    assert box.ask("md5sum /data/ssh/host-key") == host_key
    box.ask("/usr/lib/pulsebox/with-p1 rm /boot/firmware/authorized_keys.txt")
    box.ask("systemctl restart pulsebox-ssh")
    box.until("it does not listen", lambda: not listens(box), 120)
    assert box.run("ls /data/ssh/authorized_keys").code != 0


def signed_in(box: Appliance, key) -> subprocess.CompletedProcess:
    """Who one is after signing in as root with this key, and where."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "BatchMode=yes")
    command = ["ssh", "-F", "none", "-i", str(key), "-p", str(box.port(SSH)), *(f"-o{one}" for one in options)]
    command += ["root@127.0.0.1", "id -u; hostname"]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def test_a_panics_words_are_kept_and_only_the_newest(box):
    # virt keeps no words over a restart: they are put where the kernel would show them.
    box.ask("mount -t tmpfs words /sys/fs/pstore")
    try:
        for number in range(1, 8):
            box.ask(f"echo 'Kernel panic - not syncing: {number}' >/sys/fs/pstore/dmesg-ramoops-0")
            kept = f"/data/box/panic-{number:04}.txt"
            assert box.ask("/usr/lib/pulsebox/start-panic").strip() == f"Its last words are kept: {kept}"
            assert f"not syncing: {number}" in box.ask(f"cat {kept}")
            assert box.run("ls /sys/fs/pstore/dmesg-*").code != 0, "they are told once"
        assert box.run("/usr/lib/pulsebox/start-panic").code == 1
        assert len(box.ask("ls /data/box/panic-*").splitlines()) == 5

        # Where nothing can be kept it is told all the same, and once.
        box.ask("echo 'Kernel panic - not syncing: 8' >/sys/fs/pstore/dmesg-ramoops-0")
        box.ask("mount --bind /data/box /data/box && mount -o remount,bind,ro /data/box")
        told = box.ask("/usr/lib/pulsebox/start-panic 2>&1")
        assert "not syncing: 8" in told and "could not be kept" in told, told
        assert box.run("/usr/lib/pulsebox/start-panic").code == 1
    finally:
        box.ask("umount /data/box || true; umount /sys/fs/pstore; rm -f /data/box/panic-*")


def test_a_system_that_hangs_is_restarted_by_the_watchdog_and_says_so(box):
    box.ask(TAKE_WATCHDOG)
    box.monitor.command("set-action", watchdog="reset")
    # A kernel that stands still for ever: one that panics and is told not to restart.
    hang = "sync; echo 0 >/proc/sys/kernel/panic; (sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"
    box.ask(hang)
    box.until_restarted()
    box.monitor.command("set-action", watchdog="none")
    told = box.facts("start")
    assert told["cause"] == "watchdog", told
    assert box.facts("data")["state"] in ("ok", "repaired")
    box.until_healthy(LONG)


def test_a_power_cut_during_a_factory_reset_only_delays_it(appliance):
    card = Card.new(GIB)
    data.made(card, {"pulsebox/note": SECRET, "box/last-start": b"boot=x\nslot=A\n"}, size=376 * MIB)
    card.put("reset.txt", b"")
    card.put("pulsebox.taken.yaml", b"streams: []\n")

    def named(name: str) -> bool:
        try:
            return name in card.names()
        except CardError:
            return False  # In the middle of a write.

    box = appliance(card)
    cut_as_soon(box, "the file is renamed", lambda: named("RESETTING"))
    box.power_on()
    cut_as_soon(box, "p4 is unmade", lambda: card.partitions[data.NUMBER].kind == data.BEING_MADE)
    box.power_on()
    box.until_up()
    assert box.facts("data")["state"] == "new"
    assert box.facts("start")["cause"] == "reset"
    assert on_the_card(box)
    box.cut()
    assert SECRET not in data.content(card)
    assert not [name for name in card.names() if name.lower().startswith(("reset", "pulsebox"))]
