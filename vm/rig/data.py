"""The data partition of a card that is out of the box: made as an older box would have left it, and damaged."""

import os
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vm.rig.card import Card

MIB = 1 << 20
# docs/image.md
START = 648 * MIB
NUMBER = 4
BLOCK = 4096
# What `data-make` marks a partition with that it has not finished, and one that it has.
BEING_MADE, LINUX = 0xDA, 0x83
# Where ext4 keeps its superblock's copies: mke2fs's rule for blocks of 4096.
COPIES = (32768, 98304, 163840, 229376, 294912)
DAEMON = 900


def enter(card: Card, size: int, kind: int = LINUX) -> None:
    """Writes p4 into the card's table, and nothing into p4."""
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", START // 512, size // 512)
    card.poke(0, 446 + 16 * (NUMBER - 1), entry)


def made(card: Card, files: Mapping[str, bytes] | None = None, size: int = 1400 * MIB) -> None:
    """A whole data partition, as a box leaves it: `size` bytes (all of a card of 2 GiB), `files` by their paths in it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, owner in (("box", 0), ("pulsebox", DAEMON), ("rauc", 0), ("journal", 0), ("ssh", 0)):
            (Path(folder) / name).mkdir()
            os.chown(Path(folder) / name, owner, owner)
        for name, content in (files or {}).items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            owner = DAEMON if name.startswith("pulsebox/") else 0
            os.chown(path, owner, owner)
        command = ["mkfs.ext4", "-q", "-F", "-b", str(BLOCK), "-m", "1", "-d", folder, "-E", f"nodiscard,offset={START}"]
        subprocess.run([*command, str(card.path), f"{size // 1024}k"], check=True, capture_output=True, timeout=300)
    enter(card, size)


def without_superblock(card: Card, copies: bool = False) -> None:
    """Damages the superblock, as a card does that loses a block; with `copies`, all of them."""
    for block in (0, *(COPIES if copies else ())):
        if block * BLOCK < card.partitions[NUMBER].length:
            card.poke(NUMBER, block * BLOCK, b"\xa5" * BLOCK)


def has_superblock(card: Card, block: int = 0) -> bool:
    """Whether a superblock of ext4 is in this block: the first one, or one of `COPIES`. The machine may be on."""
    at = block * BLOCK + (0 if block else 1024)
    return NUMBER in card.partitions and card.peek(NUMBER, at + 56, 2) == b"\x53\xef"


def content(card: Card) -> bytes:
    """All that the partition holds."""
    return card.peek(NUMBER, 0, card.partitions[NUMBER].length)


def size_of_ext4(card: Card) -> int:
    """How many bytes the file system takes for its own, by its superblock."""
    return struct.unpack("<I", card.peek(NUMBER, 1024 + 4, 4))[0] * BLOCK
