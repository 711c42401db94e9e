"""The plug is pulled at each single write: of a configuration that the page changes, and of a whole update with its
proof. What each such cut leaves on the card is looked at from here; from those that matter most the box is started.
"""

import re
import subprocess

from vm.rig import data
from vm.rig.card import Card
from vm.rig.paths import REPOSITORY
from vm.rig.simcam import Simcam
from vm.rig.writes import Recorded, Write
from vm.tests.test_image_data import used, watches
from vm.tests.test_image_update import (
    PROOF,
    SLOT_B,
    START,
    WRITING,
    configuration,
    system,
    system_image,
    until_ready,
    until_update,
    upload,
)

VERSION = "9.8.0"
FIRMWARE = "/usr/share/pulsebox/firmware"
# Of p1: what an older system left there, and what the new one brings. Larger than a cluster.
OLD = {name: f"old {name} ".encode() * 3000 for name in ("start4.elf", "overlays/led.dtbo", "config.txt")}
OF_NEW = {name: f"the new {name} ".encode() * 4000 for name in (*OLD, "overlays/more.dtbo")}
NEW = OF_NEW | {"version.txt": f"{VERSION}\n".encode()}
# Where U-Boot's words lie.
WORDS = ((1 << 20, 0x4000), (5 << 20, 0x4000))
# By which words the box checks p1 at each start.
CHECKS_P1 = re.search(r"fsck\.fat (.+) \"\$part\"", (REPOSITORY / "overlay/usr/lib/pulsebox/firmware").read_text())[1]
# Of the writes to the data partition alone, every so many are looked at.
EVERY = 25


class Data:
    """The data partition after a cut, once the box has checked it as at each start."""

    def __init__(self, card: Card) -> None:
        self._part = card.part(data.NUMBER)
        done = subprocess.run(["e2fsck", "-p", str(self._part)], capture_output=True, text=True, timeout=300)
        assert done.returncode < 2, done.stdout + done.stderr

    def read(self, path: str) -> bytes:
        """A file; nothing where there is none."""
        command = ["debugfs", "-R", f"cat /{path}", str(self._part)]
        return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout


class Boot:
    """The boot partition after a cut: as the Pi's firmware finds it, or `checked` as the box does at each start."""

    def __init__(self, card: Card, *, checked: bool) -> None:
        self._part = card.part(1)
        if checked:
            command = ["fsck.fat", *CHECKS_P1.split(), str(self._part)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode < 2, done.stdout + done.stderr

    def files(self) -> dict[str, bytes]:
        """Those that an update renews; without those that are not there."""
        found = {name: self._mtools("mcopy", "-n", f"::{name}", "-") for name in OLD | NEW}
        return {name: done.stdout for name, done in found.items() if done.returncode == 0}

    def _mtools(self, tool: str, *words: str) -> subprocess.CompletedProcess:
        command = [tool, "-i", str(self._part), *words]
        return subprocess.run(command, capture_output=True, timeout=60, env={"MTOOLS_SKIP_CHECK": "1", "PATH": "/usr/bin"})


def is_whole(files: dict[str, bytes], before: dict[str, bytes]) -> bool:
    """Each is an old one or a new one, and they are called new only when all are."""
    # What is new to p1 may be empty: nothing that is older asks for it.
    each = all(files.get(name) in (before.get(name), NEW[name]) or not (files[name] or name in before) for name in NEW)
    return each and (files.get("version.txt") == before.get("version.txt") or files == NEW)


def is_in(start: int, length: int, write: Write) -> bool:
    return start <= write.at < start + length


def test_a_configuration_that_the_page_changes_is_the_old_or_the_new_one_at_every_write(appliance):
    box = appliance(used(), records=True)
    watches(box)
    file = "pulsebox/pulsebox.yaml"
    before = box.ask(f"cat /data/{file}").encode().strip()
    with Recorded(box) as recorded:
        box.call("PATCH", "/api/streams/yard", {"name": "Back yard"})
    after = box.ask(f"cat /data/{file}").encode().strip()
    assert b"Back yard" in after and b"Back yard" not in before
    found = [Data(recorded.card).read(file).strip()]
    found += [Data(recorded.card).read(file).strip() for _ in recorded.cuts()]
    assert set(found) == {before, after}
    assert found[-1] == after, "what was answered is on the card"


class Looked:
    """What the cuts of an update left, one after the other."""

    def __init__(self, recorded: Recorded, image: bytes) -> None:
        self._recorded, self._card, self._image = recorded, recorded.card, image
        self._before = Boot(self._card, checked=False).files()
        self.orders: list[str] = []
        self.renewed: list[int] = []
        # By what was just done there: cards to start the box from.
        self.cards: dict[str, Card] = {}

    def at_every_write(self) -> None:
        p1, p4 = self._card.partitions[1], self._card.partitions[data.NUMBER]
        for number, write in enumerate(self._recorded.cuts()):
            if any(is_in(start, length, write) for start, length in WORDS):
                self._words()
            elif is_in(p1.start, p1.length, write):
                self._boot()
            elif not is_in(p4.start, p4.length, write) or number % EVERY:
                continue
            self._data()

    def _words(self) -> None:
        words = self._card.environment()
        assert words or not self.orders, "the boot loader's words are gone"
        able = [slot for slot in words.get("BOOT_ORDER", "A B").split() if int(words.get(f"BOOT_{slot}_LEFT", "3"), 16)]
        assert able, words
        self.orders.append(able[0])
        if able[0] == "B":
            assert self._card.peek(SLOT_B, 0, len(self._image)) == self._image, "a system that is not whole would start"
            self._keep("it is to be tried")

    def _boot(self) -> None:
        for checked in (False, True):
            files = Boot(self._card, checked=checked).files()
            assert is_whole(files, self._before), (checked, {name: text[:40] for name, text in files.items()})
        self.renewed.append(sum(files.get(name) == NEW[name] for name in NEW))
        if self.renewed[-1] == 2 and any(".pulsebox.new" in name for name in self._card.names()):
            self._keep("the boot partition is renewed")

    def _data(self) -> None:
        if self.orders and self.orders[-1] == "B":
            left = Data(self._card)
            trial, good = left.read("rauc/trial"), left.read("rauc/good-B")
            assert trial or VERSION.encode() in good, "a system on trial would be taken for a proved one"
            if b"proved=yes" in trial:
                self._keep("it has proved itself")

    def _keep(self, what: str) -> None:
        if what not in self.cards:
            self.cards[what] = self._card.copy()


def test_an_update_goes_on_after_a_cut_at_any_of_its_writes(appliance):
    new = system(VERSION, {f"{FIRMWARE}/{name}": content for name, content in NEW.items()})
    with Simcam(2, "--protocol", "http-mjpeg") as cameras:
        card = used({"pulsebox/pulsebox.yaml": configuration(cameras)})
        card.make_folder("overlays")
        # Room in both folders' lists before what is to be renewed: a name there would be found first.
        gaps = [f"{folder}what a person's computer once left here, {number}.txt" for folder in ("", "overlays/") for number in (1, 2)]
        for name in (*gaps, *OLD):
            card.put(name, OLD.get(name, b"x"))
        for name in gaps:
            card.remove(name)
        box = appliance(card, records=True)
        box.until_up(START)
        until_ready(box)
        box.claim()
        with Recorded(box) as recorded:
            assert upload(box, new.read_bytes()) == 202
            box.until_restarted(WRITING + START)
            until_update(box, "good", seconds=PROOF)
        box.cut()

        looked = Looked(recorded, system_image(new))
        looked.at_every_write()
        assert looked.orders[0] == "A" and looked.orders[-1] == "B"
        assert {0, 2, len(NEW)} <= set(looked.renewed), looked.renewed
        assert set(looked.cards) == {"it is to be tried", "the boot partition is renewed", "it has proved itself"}
        for what, left in looked.cards.items():
            again = appliance(left)
            again._token = box._token
            again.until_up(START)
            assert again.facts("start")["slot"] == "B", what
            assert until_update(again, "good", seconds=PROOF)["version"] == VERSION, what
            again.cut()
            assert Boot(left, checked=False).files() == NEW, what
