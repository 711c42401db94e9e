"""The plug pulled after any write: what was written onto a card, in its order.

    box = appliance(card, records=True)
    with Recorded(box) as recorded:
        ...                               # what is to bear a cut at any of its writes
    for write in recorded.cuts():         # the last write before the cut
        recorded.card                     # what that cut leaves

QEMU's `blklogwrites` keeps each write, in the form of dm-log-writes (Linux, Documentation/admin-guide/device-mapper/
log-writes.rst). The emulated card has no cache: what it took, in this order, is all that a cut can leave of it. It takes
sector by sector; a real one writes pages of at least 4 KiB, so sectors in a row within one are one write here. That a
real card may lose what it has acknowledged is beyond this.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.partitions import SECTOR

# The log's first sector is its superblock.
_MAGIC, _FIRST = 0x6A736677736872, SECTOR
_DISCARD = 4

# A card's page, in bytes.
_PAGE = 4096


@dataclass
class Write:
    """One write: where on the card, in bytes, and what."""

    at: int
    content: bytes


class Recorded:
    """What an appliance, switched on with `records=True`, writes while the `with` lasts."""

    def __init__(self, box: Appliance) -> None:
        self._box, self._log = box, box.writes
        self.writes: list[Write] = []
        self.card: Card | None = None

    def __enter__(self) -> "Recorded":
        self._box.monitor.command("stop")
        self.card = self._box.card.copy()
        self._from = self._log.stat().st_size
        self._box.monitor.command("cont")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        self._box.monitor.command("stop")
        self.writes = _pages(_sectors(self._log, self._from))
        self._box.monitor.command("cont")

    def cuts(self) -> Iterator[Write]:
        """`card` becomes what each cut leaves, one write after the other. Yields that write. Once."""
        with self.card.path.open("r+b") as card:
            for write in self.writes:
                card.seek(write.at)
                card.write(write.content)
                card.flush()
                yield write


def _sectors(log: Path, begin: int) -> Iterator[Write]:
    """What the log has from `begin` on, as it was written."""
    end = log.stat().st_size
    with log.open("rb") as file:
        magic, _, _, sector = struct.unpack("<QQQI", file.read(28))
        if magic != _MAGIC or sector != SECTOR:
            raise ValueError(f"{log} is no log of writes by sectors of {SECTOR}")
        at = max(begin, _FIRST)
        while at + SECTOR <= end:
            file.seek(at)
            first, count, flags, _ = struct.unpack("<QQQQ", file.read(32))
            length = 0 if flags & _DISCARD else count * SECTOR
            file.seek(at + SECTOR)
            if length:
                yield Write(first * SECTOR, file.read(length))
            at += SECTOR + length


def _pages(sectors: Iterator[Write]) -> list[Write]:
    pages: list[Write] = []
    for write in sectors:
        last = pages[-1] if pages else None
        if last and write.at == last.at + len(last.content) and write.at % _PAGE:
            last.content += write.content
        else:
            pages.append(write)
    return pages
