"""U-Boot's environment as it lies on the card: checksum, a counter, words that end in zeros."""

import struct
import zlib
from collections.abc import Mapping

# buildroot/board/pulsebox/uboot/root.fragment
SIZE = 0x4000


def newest(*copies: bytes) -> dict[str, str]:
    """The words of the newest copy whose checksum holds; empty where none does."""
    whole = [copy for copy in copies if struct.unpack("<I", copy[:4])[0] == zlib.crc32(copy[5:])]
    if not whole:
        return {}
    # The counter runs around: 0 is newer than 255.
    counters = [copy[4] for copy in whole]
    latest = whole[0] if len(whole) == 1 or (counters[0] - counters[1]) % 256 < 128 else whole[1]
    words = latest[5:].split(b"\0\0")[0].split(b"\0")
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)


def written(words: Mapping[str, str], counter: int = 1) -> bytes:
    """A whole copy with these words, as U-Boot would have written it."""
    lines = b"".join(f"{name}={value}".encode() + b"\0" for name, value in words.items())
    data = lines.ljust(SIZE - 5, b"\0")
    return struct.pack("<IB", zlib.crc32(data), counter) + data
