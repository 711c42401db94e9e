"""Things that take long to make, kept by what they are made of: same ingredients, same thing."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

from vm.rig.paths import CACHE, HOME, say


def key_of(*ingredients: str | bytes | Iterable[object] | Path) -> str:
    """One short name for all the ingredients; a path stands for the file's own bytes."""
    digest = hashlib.sha256()
    for one in ingredients:
        if isinstance(one, Path):
            one = one.read_bytes()
        elif not isinstance(one, str | bytes):
            one = "\n".join(map(str, one))
        data = one.encode() if isinstance(one, str) else one
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def cached(kind: str, key: str, make: Callable[[Path], None], what: str, keep: int = 1) -> Path:
    """The folder with what `make` puts into it, made at most once for a key.

    Of the same `kind` the newest `keep` are kept. `what` tells the person who waits what is being made.
    """
    place = CACHE / f"{kind}-{key}"
    with one_at_a_time(kind):
        if place.is_dir():
            return place
        say(f"making {what}")
        new = CACHE / f"{kind}-{key}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            make(new)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        kept = CACHE.glob(f"{kind}-{'[0-9a-f]' * 16}")
        for old in sorted(kept, key=lambda one: one.stat().st_mtime, reverse=True)[keep - 1 :]:
            shutil.rmtree(old)
        new.rename(place)
    return place


@contextmanager
def one_at_a_time(kind: str):
    """Two runs in one working copy do not make the same thing, nor remove what the other has just made."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"lock-{kind}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
