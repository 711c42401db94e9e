"""Where the partitions of a card lie, by its table (MBR)."""

import struct
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512


@dataclass(frozen=True)
class Partition:
    """One partition: `start` and `length` in bytes, `kind` as the table has it (0x83 is Linux')."""

    start: int
    length: int
    kind: int


def of(card: Path) -> dict[int, Partition]:
    """The primary partitions of a card's image, by number from 1."""
    with card.open("rb") as file:
        record = file.read(SECTOR)
    if record[510:] != b"\x55\xaa":
        raise ValueError(f"{card} has no partition table")
    found = {}
    for number in range(4):
        entry = record[446 + 16 * number : 462 + 16 * number]
        first, count = struct.unpack("<II", entry[8:])
        if count:
            found[number + 1] = Partition(first * SECTOR, count * SECTOR, entry[4])
    return found
