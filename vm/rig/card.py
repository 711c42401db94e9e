"""An SD card as a file: a copy of the image under test, looked into and changed while the machine is off.

    card = Card.new()
    card.put("pulsebox.yaml", b"streams: []")
    card.read("STATUS.TXT"), card.names()
"""

import os
import subprocess
import weakref
from collections.abc import Mapping
from pathlib import Path

from vm.rig import partitions, system
from vm.rig.environment import newest, written
from vm.rig.packages import PackageError
from vm.rig.partitions import Partition
from vm.rig.paths import HOME

CARDS = HOME / "cards"
GIB = 1 << 30
# The partition that every PC shows.
FIRST = 1


class CardError(Exception):
    """A card that cannot be read or written as asked, and what the tool said."""


class Card:
    """One card. Its file is removed when nobody holds it any more."""

    _made = 0

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, path.unlink, missing_ok=True)

    @classmethod
    def new(cls, size: int = 2 * GIB, image: Path | None = None) -> "Card":
        """A card of `size` bytes, a power of two (QEMU knows no others), freshly flashed with the image under test."""
        if size & (size - 1):
            raise CardError(f"{size} is no power of two: QEMU refuses such a card")
        card = cls(cls._place())
        _run(["cp", "--sparse=always", "--reflink=auto", str(image or system.image()), str(card.path)])
        if card.path.stat().st_size > size:
            raise CardError(f"the image has {card.path.stat().st_size} bytes and the card {size}")
        os.truncate(card.path, size)
        return card

    def copy(self) -> "Card":
        """Another card with the same on it: of a machine that is off, or stopped by its monitor."""
        other = type(self)(self._place())
        _run(["cp", "--sparse=always", "--reflink=auto", str(self.path), str(other.path)])
        return other

    def log(self) -> Path:
        """A file beside it for what is written onto it. Removed with the card."""
        path = self.path.with_suffix(".writes")
        weakref.finalize(self, path.unlink, missing_ok=True)
        return path

    def part(self, partition: int) -> Path:
        """A file with what this partition holds now, holes as holes. Removed with the card."""
        place, path = self.partitions[partition], self.path.with_suffix(f".p{partition}")
        weakref.finalize(self, path.unlink, missing_ok=True)
        path.unlink(missing_ok=True)
        with self.path.open("rb") as source, path.open("wb") as target:
            target.truncate(place.length)
            at, end = place.start, place.start + place.length
            while (at := _data(source.fileno(), at)) < end:
                hole = min(os.lseek(source.fileno(), at, os.SEEK_HOLE), end)
                while at < hole:
                    at += os.copy_file_range(source.fileno(), target.fileno(), hole - at, at, at - place.start)
        return path

    # ---- p1, by file

    def put(self, name: str, content: bytes) -> None:
        """Writes a file of p1, as a PC does."""
        _run(["mcopy", "-o", "-i", self._first(), "-", f"::{name}"], content)

    def make_folder(self, name: str) -> None:
        """Makes a folder on p1."""
        _run(["mmd", "-i", self._first(), f"::{name}"])

    def read(self, name: str) -> bytes:
        """A file of p1. CardError where there is none."""
        return _run(["mcopy", "-n", "-i", self._first(), f"::{name}", "-"])

    def remove(self, name: str) -> None:
        """Removes a file of p1."""
        _run(["mdel", "-i", self._first(), f"::{name}"])

    def names(self) -> list[str]:
        """The files in p1's top folder, sorted."""
        listed = _run(["mdir", "-b", "-a", "-i", self._first(), "::"]).decode(errors="replace")
        return sorted(line.removeprefix("::/") for line in listed.splitlines() if line and not line.endswith("/"))

    # ---- any partition, by byte

    @property
    def partitions(self) -> dict[int, Partition]:
        """The partition table, by number."""
        return partitions.of(self.path)

    def peek(self, partition: int, at: int, length: int) -> bytes:
        """`length` bytes at `at` of a partition; partition 0 is the whole card."""
        with self.path.open("rb") as file:
            file.seek(self._start(partition) + at)
            return file.read(length)

    def poke(self, partition: int, at: int, content: bytes) -> None:
        """Overwrites bytes at `at` of a partition, as a failing card does; partition 0 is the whole card."""
        with self.path.open("r+b") as file:
            file.seek(self._start(partition) + at)
            file.write(content)

    def environment(self) -> dict[str, str]:
        """U-Boot's words, of the newer copy that is whole. Empty where it has never written any."""
        return newest(self.peek(0, 1 << 20, 0x4000), self.peek(0, 5 << 20, 0x4000))

    def set_environment(self, words: Mapping[str, str]) -> None:
        """Writes U-Boot's words, as `fw_setenv` would; the other copy is none."""
        self.poke(0, 1 << 20, written(words))
        self.poke(0, 5 << 20, b"\0" * 8)

    def _start(self, partition: int) -> int:
        return self.partitions[partition].start if partition else 0

    def _first(self) -> str:
        return f"{self.path}@@{self.partitions[FIRST].start}"

    @classmethod
    def _place(cls) -> Path:
        CARDS.mkdir(parents=True, exist_ok=True)
        # A run that was killed could not remove its own.
        for left in CARDS.glob("[0-9]*-*"):
            if not Path(f"/proc/{left.name.split('-')[0]}").exists():
                left.unlink(missing_ok=True)
        Card._made += 1
        return CARDS / f"{os.getpid()}-{Card._made}.img"


def _data(file: int, at: int) -> int:
    """Where there is something from here on; beyond every card where there is not."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError:
        return 1 << 62


def _run(command: list[str], given: bytes = b"") -> bytes:
    environment = os.environ | {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=300, env=environment)
    except FileNotFoundError:
        raise PackageError(f"{command[0]} is not there: scripts/need test-vm")
    if done.returncode != 0:
        raise CardError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout
