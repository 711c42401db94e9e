"""The data partition of the appliance: made, found damaged, grown, lost, reset. Whatever it is like, the box starts,
says how it is, and watches."""

import time

import pytest

from vm.rig import data
from vm.rig.card import GIB, Card
from vm.rig.data import MIB

CAMERA = b"streams:\n  - { id: yard, name: Yard, url: 'rtsp://10.0.2.2:1/none' }\n"
# A start of the box: emulated, on a machine that does other things too.
START = 400
MACHINE_ID = b"0123456789abcdef0123456789abcdef\n"


def facts(box, name: str) -> dict[str, str]:
    """What root's jobs told the daemon, as soon as they have."""
    told = box.ask(f"until [ -e /run/box/{name} ]; do sleep 0.3; done; cat /run/box/{name}", START)
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def used(files: dict[str, bytes] | None = None, **more) -> Card:
    """A card that has been in a box for a while, with a camera."""
    card = Card.new()
    own = {"box/machine-id": MACHINE_ID, "box/last-start": b"boot=x\nslot=A\n", "pulsebox/pulsebox.yaml": CAMERA}
    data.made(card, own | (files or {}), **more)
    return card


def watches(box) -> dict:
    """Waits until the page answers and the camera was looked at; the box as /api/system tells it."""
    box.until_healthy(START)
    box.claim()
    box.until("the camera is looked at", lambda: box.camera("yard")["state"] == "down", 200)
    return box.get("/api/system")


def says(box, system: dict, state: str) -> None:
    """The API has what root's job told, and where nothing is kept the box is not well."""
    assert facts(box, "data")["state"] == state
    told = system["host"]["appliance"]["data"]
    assert told["state"] == state
    lost = state in ("memory", "readonly")
    assert (system["host"]["storage_fault"] is not None) == lost, system["host"]
    assert (system["overall"] == "storage_fault") == lost, system["overall"]
    if state not in ("ok", "new", "grown"):
        assert told["message"]


def in_order(box) -> None:
    state, failed = box.until_settled(START)
    assert (state, failed) == ("running", ""), failed
    assert "ordering cycle" not in box.ask("journalctl -b --no-pager")


def test_the_first_start_makes_it_and_later_ones_keep_what_is_on_it(appliance):
    box = appliance()
    box.until_up(START)
    assert facts(box, "data")["state"] == "new"
    assert facts(box, "start")["cause"] == "first"
    made = box.card.partitions[data.NUMBER]
    assert (made.start, made.kind) == (data.START, data.LINUX)
    assert 2 * GIB - 4 * MIB <= made.start + made.length <= 2 * GIB
    box.until_healthy(START)
    in_order(box)
    name = box.ask("cat /etc/machine-id")
    box.ask("echo kept >/data/pulsebox/note; sync")

    box.restart()
    assert facts(box, "data")["state"] == "ok"
    assert facts(box, "start")["cause"] == "restart"
    assert box.ask("cat /etc/machine-id /data/pulsebox/note").split() == [name.strip(), "kept"]
    # journalctl finds the journal under the name that was laid over, and the last one was kept.
    assert int(box.ask("journalctl -b --no-pager -u pulsebox-data | wc -l")) > 1
    assert "pulsebox" in box.ask("zcat /data/journal/*.gz | tail -n 50")
    box.ask("sync")

    box.cut()
    box.power_on()
    box.until_up(START)
    assert facts(box, "data")["state"] == "ok"
    assert facts(box, "start")["cause"] == "power"
    assert box.ask("cat /etc/machine-id").strip() == name.strip()


@pytest.mark.parametrize("step", ["p4 is written into the table", "p4 is formatted", "p4 is marked as whole"])
def test_a_power_cut_while_it_is_made(appliance, step):
    box = appliance()
    deadline = time.monotonic() + START
    while f"step: {step}" not in box.console_log.read_text(errors="replace"):
        assert time.monotonic() < deadline, box.tail()
        time.sleep(0.02)
    box.cut()
    box.power_on()
    box.until_up(START)
    assert facts(box, "data")["state"] in ("new", "ok")
    assert box.card.partitions[data.NUMBER].kind == data.LINUX
    assert "/dev/mmcblk0p4 /data ext4 rw" in box.ask("cat /proc/mounts")


def test_a_damaged_superblock_is_repaired_from_another(appliance):
    card = used({"pulsebox/note": b"kept"})
    data.without_superblock(card)
    box = appliance(card)
    box.until_up(START)
    says(box, watches(box), "repaired")
    assert box.ask("cat /data/pulsebox/note") == "kept"


def test_what_cannot_be_repaired_is_left_as_it_is_and_the_box_goes_on_in_memory(appliance):
    card = used()
    data.without_superblock(card, copies=True)
    before = card.peek(data.NUMBER, 0, 8 * MIB)
    box = appliance(card)
    box.until_up(START)
    assert facts(box, "data")["state"] == "memory"
    assert "factory reset" in facts(box, "data")["message"]
    box.until_healthy(START)
    box.claim()
    says(box, box.get("/api/system"), "memory")
    box.cut()
    assert card.peek(data.NUMBER, 0, 8 * MIB) == before


def test_a_partition_without_a_single_byte_is_formatted(appliance):
    card = Card.new()
    data.enter(card, 1400 * MIB)
    box = appliance(card)
    box.until_up(START)
    assert facts(box, "data")["state"] == "new"
    assert "/dev/mmcblk0p4 /data ext4 rw" in box.ask("cat /proc/mounts")


def test_on_a_larger_card_it_grows_and_a_damaged_history_is_set_aside(appliance):
    box = appliance(used({"pulsebox/history.sqlite": b"not a database " * 4096}, size=512 * MIB))
    box.until_up(START)
    says(box, watches(box), "grown")
    assert int(box.ask("df -Pm /data | awk 'NR == 2 { print $2 }'")) > 1200
    assert box.ask("cat /etc/machine-id").strip() == MACHINE_ID.decode().strip()
    in_order(box)


def test_after_an_error_it_can_only_be_read_and_a_restart_repairs_it(appliance):
    box = appliance(used())
    box.until_up(START)
    says(box, watches(box), "ok")
    box.ask("echo broken on purpose >/sys/fs/ext4/mmcblk0p4/trigger_fs_error")
    box.until("the fact says it", lambda: facts(box, "data")["state"] == "readonly", 90)
    box.until("the page says it", lambda: box.get("/api/system")["overall"] == "storage_fault", 30)
    checked = box.camera("yard")["last_check"]
    box.until("the checks go on", lambda: box.camera("yard")["last_check"] != checked, 120)
    box.restart()
    assert facts(box, "data")["state"] == "repaired"
    assert "/dev/mmcblk0p4 /data ext4 rw" in box.ask("cat /proc/mounts")


def test_a_full_card_and_one_that_is_too_small(appliance):
    box = appliance(used())
    box.until_up(START)
    watches(box)
    box.ask("cat /dev/zero >/data/fill 2>/dev/null; sync; df /data", 200)
    box.restart()
    assert facts(box, "data")["state"] == "ok"
    assert facts(box, "start")["cause"] == "restart"
    box.until_healthy(START)
    box.until("the camera is looked at", lambda: box.camera("yard")["state"] == "down", 200)
    # No card of QEMU's is too small for a partition: one that is, beside the box' own.
    box.ask("truncate -s 700M /tmp/card && losetup /dev/loop0 /tmp/card && mkdir -p /tmp/data")
    box.ask("PULSEBOX_DISK=/dev/loop0 PULSEBOX_DATA=/tmp/data /usr/lib/pulsebox/data")
    assert "too small" in facts(box, "data")["message"]
    box.until("the page says it", lambda: box.get("/api/system")["overall"] == "storage_fault", 30)
    says(box, box.get("/api/system"), "memory")


def test_a_file_reset_on_the_boot_partition_makes_the_box_new(appliance):
    card = used({"pulsebox/note": b"a secret of the last owner"})
    card.put("reset.txt", b"")
    box = appliance(card)
    box.until_up(START)
    assert facts(box, "data")["state"] == "new"
    assert facts(box, "start")["cause"] == "reset"
    assert box.ask("ls /data/pulsebox").split().count("note") == 0
    assert box.ask("cat /etc/machine-id").strip() != MACHINE_ID.decode().strip()
    box.until_healthy(START)
    box.ask("sync")
    box.cut()
    assert not {"RESET.TXT", "reset.txt", "RESETTING"} & set(card.names())
    assert card.partitions[data.NUMBER].kind == data.LINUX
