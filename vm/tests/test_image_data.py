"""The data partition of the appliance: made, found damaged, grown, full, lost, reset. Whatever it is like, the box
starts, says how it is, and watches.

Twelve power-ons and restarts in all, three of them cut short: what one box can go through is one test.
"""

import time
from collections.abc import Callable

from vm.rig import data
from vm.rig.appliance import Appliance
from vm.rig.card import GIB, Card
from vm.rig.data import MIB

CAMERA = b"streams:\n  - { id: yard, name: Yard, url: 'rtsp://10.0.2.2:1/none', heartbeat_seconds: 5 }\n"
SECRET = b"a secret of the last owner, which nobody after him may read"
MACHINE_ID = "0123456789abcdef0123456789abcdef"
# Until what a start brings: it is emulated, on a machine that does other things too.
LONG = 600

# A table whose p4 begins where ours does.
ENTER_P4 = "printf 'label: dos\\n/tmp/card4 : start=1327104, type=83\\n' | sfdisk -q --no-reread --no-tell-kernel"


def used(files: dict[str, bytes] | None = None, **more) -> Card:
    """A card of 1 GiB that has been in a box for a while, with a camera. `more` is for `data.made`."""
    card = Card.new(GIB)
    own = {"box/machine-id": f"{MACHINE_ID}\n".encode(), "box/last-start": b"boot=x\nslot=A\n"}
    data.made(card, own | {"pulsebox/pulsebox.yaml": CAMERA} | (files or {}), **{"size": 376 * MIB} | more)
    return card


def looked_at(box: Appliance) -> bool:
    return box.camera("yard")["state"] == "down"


def watches(box: Appliance) -> dict:
    """Waits until the page answers and the camera was looked at; the box as /api/system tells it."""
    box.until_healthy(LONG)
    box.claim()
    box.until("the camera is looked at", lambda: looked_at(box), 200)
    return box.get("/api/system")


def says(box: Appliance, system: dict, state: str) -> None:
    """The API has what root's job told, and where nothing is kept the box is not well."""
    assert box.facts("data")["state"] == state
    told = system["host"]["appliance"]["data"]
    assert told["state"] == state
    lost = state in ("memory", "readonly")
    assert (system["host"]["storage_fault"] is not None) == lost, system["host"]
    assert (system["overall"] == "storage_fault") == lost, system["overall"]
    assert bool(told["message"]) == (lost or state == "repaired"), told


def in_order(box: Appliance) -> None:
    """Nothing failed on the way, and systemd had to drop nothing."""
    assert box.until_settled(LONG) == ("running", "")
    assert "ordering cycle" not in box.ask("journalctl -b --no-pager")


def on_the_card(box: Appliance) -> bool:
    return "/dev/mmcblk0p4 /data ext4 rw" in box.ask("cat /proc/mounts")


def test_the_first_start_makes_it_and_later_ones_keep_what_is_on_it(appliance):
    # A clock that is not set, as a Pi's after each start.
    box = appliance(Card.new(2 * GIB), options=("-rtc", "base=2020-01-01"))
    box.until_up()
    assert box.facts("data")["state"] == "new"
    assert box.facts("start")["cause"] == "first"
    made = box.card.partitions[data.NUMBER]
    assert (made.start, made.kind) == (data.START, data.LINUX)
    assert 2 * GIB - 8 * MIB <= made.start + made.length <= 2 * GIB
    box.until_healthy(LONG)
    in_order(box)
    name = box.ask("cat /etc/machine-id").strip()
    box.ask("echo kept >/data/pulsebox/note; sync")

    box.restart()
    assert box.facts("data")["state"] == "ok"
    assert box.facts("start")["cause"] == "restart"
    assert box.ask("cat /etc/machine-id /data/pulsebox/note").split() == [name, "kept"]
    # journalctl finds the journal under the name that was laid over, and the last one was kept.
    assert int(box.ask("journalctl -b --no-pager -u pulsebox-data | wc -l")) > 1
    assert "pulsebox" in box.ask("zcat /data/journal/*.gz | tail -n 50")

    set_to = int(box.ask('date -s "@$(($(date +%s) + 7776000))" >/dev/null && systemctl start pulsebox-clock-save && date +%s'))
    box.cut()
    box.power_on()
    box.until_up()
    assert box.facts("data")["state"] == "ok"
    assert box.facts("start")["cause"] == "power"
    assert 0 <= int(box.ask("date +%s")) - set_to < LONG, "it goes on from what was written last"
    assert box.ask("cat /etc/machine-id").strip() == name


def test_a_power_cut_at_each_step_of_making_it(appliance):
    card = Card.new(2 * GIB)

    def kind() -> int:
        return card.partitions[data.NUMBER].kind if data.NUMBER in card.partitions else 0

    box = appliance(card)
    cut_as_soon(box, "it is in the table", lambda: kind() != 0)
    assert kind() == data.BEING_MADE
    box.power_on()
    # mkfs writes the other superblocks, and the first one last of all.
    cut_as_soon(box, "it is half formatted", lambda: data.has_superblock(card, data.COPIES[0]))
    assert kind() == data.BEING_MADE
    box.power_on()
    cut_as_soon(box, "it is marked as whole", lambda: kind() == data.LINUX)
    assert data.has_superblock(card)
    # The three have used up the slot's tries: the boot loader looks at the other slot, which is empty, and comes back.
    box.power_on()
    box.until_up()
    assert box.facts("data")["state"] == "ok"
    assert box.facts("start")["cause"] == "first"
    assert on_the_card(box)


def cut_as_soon(box: Appliance, what: str, holds: Callable[[], bool]) -> None:
    """Pulls the plug at the moment at which something is on the card."""
    deadline = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < deadline, f"not within {LONG} s: {what}\n{box.tail()}"
        time.sleep(0.002)
    box.cut()


def test_a_damaged_superblock_is_repaired_and_so_is_what_can_only_be_read_after_an_error(appliance):
    card = used({"pulsebox/note": b"kept"})
    data.without_superblock(card)
    box = appliance(card)
    box.until_up()
    says(box, watches(box), "repaired")
    assert box.ask("cat /etc/machine-id /data/pulsebox/note").split() == [MACHINE_ID, "kept"]

    box.ask("echo broken on purpose >/sys/fs/ext4/mmcblk0p4/trigger_fs_error")
    box.until("the fact says it", lambda: box.facts("data")["state"] == "readonly", 120)
    box.until("the page says it", lambda: box.get("/api/system")["overall"] == "storage_fault", 60)
    says(box, box.get("/api/system"), "readonly")
    checked = box.camera("yard")["checked_at"]
    box.until("the checks go on", lambda: box.camera("yard")["checked_at"] != checked, 120)

    box.restart()
    assert box.facts("data")["state"] == "repaired"
    assert on_the_card(box)


def test_what_cannot_be_repaired_stays_as_it_is_until_a_factory_reset(appliance):
    card = used({"pulsebox/note": SECRET})
    data.without_superblock(card, copies=True)
    # What is on the card is watched, and stays there while nothing else keeps it.
    card.put("pulsebox.yaml", CAMERA)
    before = data.content(card)
    assert SECRET in before
    box = appliance(card)
    box.until_up()
    assert box.facts("data")["state"] == "memory"
    assert "factory reset" in box.facts("data")["message"]
    says(box, watches(box), "memory")
    assert data.content(card) == before

    box.call("POST", "/api/reset", {"confirm": "reset"})
    box.until_restarted()
    assert box.facts("data")["state"] == "new"
    assert box.facts("start")["cause"] == "reset"
    assert on_the_card(box)
    assert box.ask("cat /etc/machine-id").strip() != MACHINE_ID
    in_order(box)
    box.cut()
    assert SECRET not in data.content(card)
    assert not [name for name in card.names() if name.lower().startswith("reset")]
    assert [name for name in card.names() if "pulsebox" in name] == ["pulsebox.taken.yaml"], "it is kept now"


def test_on_a_larger_card_it_grows_and_a_full_one_goes_on(appliance):
    # The history is damaged too: the daemon sets it aside. The rest is nearly full: to write is slow here.
    files = {"pulsebox/history.sqlite": b"not a database " * 4096, "pulsebox/more": bytes(range(256)) * (270 * 4096)}
    box = appliance(used(files, size=344 * MIB))
    box.until_up()
    system = watches(box)
    says(box, system, "grown")
    assert "the history was damaged" in system["host"]["history_repaired"], system["host"]
    assert "history.sqlite.damaged-" in system["host"]["history_repaired"]
    status = "tr -d '\\r' </boot/firmware/STATUS.TXT"
    box.until("STATUS.TXT says it", lambda: "the history was damaged" in box.run(status).text, 180)
    assert box.ask("cat /etc/machine-id").strip() == MACHINE_ID
    in_order(box)

    # As the daemon could: a small part is root's alone. What others give back meanwhile is taken too.
    fill = "systemd-run -q --wait --uid=900 sh -c 'cat /dev/zero >>/data/pulsebox/fill'; sync"
    free = f"{fill}; df -Pk /data | awk 'NR == 2 {{ print $4 }}'"
    box.until("the card is full", lambda: int(box.ask(free, 300)) == 0, 300)
    box.restart()
    assert box.facts("data")["state"] == "ok"
    assert box.facts("start")["cause"] == "restart"
    assert data.size_of_ext4(box.card) == box.card.partitions[data.NUMBER].length == 376 * MIB
    box.until_healthy(LONG)
    box.until("the camera is looked at", lambda: looked_at(box), 200)
    box.until("the box says it", lambda: box.get("/api/system")["overall"] == "storage_fault", 200)
    assert "full" in box.get("/api/system")["host"]["storage_fault"]

    # Two cards more, beside the box' own: one without a byte on its p4, and one that is too small for any.
    assert other_card(box, 800, ENTER_P4) == "new"
    assert "ext4 rw" in box.ask("grep ' /tmp/data ' /proc/mounts")
    box.ask("umount /tmp/data")
    assert other_card(box, 700) == "memory"
    assert "too small" in box.facts("data")["message"]
    # A full card was a storage fault before.
    box.until("the page says it", lambda: box.get("/api/system")["host"]["appliance"]["data"]["state"] == "memory", 60)
    says(box, box.get("/api/system"), "memory")


def other_card(box: Appliance, size: int, prepared_by: str = "true") -> str:
    """The job that makes the partition, on a card of `size` MiB: the state it told."""
    box.ask(f"rm -f /tmp/card; truncate -s {size}M /tmp/card; {prepared_by} /tmp/card; mkdir -p /tmp/data")
    disk = box.ask("losetup -P -f --show /tmp/card").strip()
    box.ask(f"PULSEBOX_DISK={disk} PULSEBOX_DATA=/tmp/data /usr/lib/pulsebox/data", 200)
    return box.facts("data")["state"]
