"""Where the rig keeps what it makes, and how it says what it does."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Not target/vm: there cargo keeps what it builds for the profile of that name.
HOME = REPOSITORY / "target" / "qemu"
CACHE = HOME / "cache"
LOG = HOME / "log"


# All that was said. pytest shows it at the end: of a test that passes it keeps what is printed meanwhile to itself.
said: list[str] = []


def say(text: str) -> None:
    """One line for the person who waits."""
    said.append(text)
    print(f"vm: {text}", file=sys.stderr, flush=True)
