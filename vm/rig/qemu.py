"""QEMU 10 for arm64 guests: this system's, if it is as new, else Debian's of trixie unpacked into `target/qemu`.

Debian 12 has 7.2, whose Pi lacks too much. The unpacked one runs on its own C library, so the system stays as it is.
"""

import re
import shutil
import subprocess
from pathlib import Path

from vm.rig.cache import cached, key_of
from vm.rig.packages import Archive, PackageError

OLDEST = 10
PROGRAM = "qemu-system-aarch64"


def command() -> list[str]:
    """How to start QEMU here, as the first words of a command line."""
    system = shutil.which(PROGRAM)
    if system and _version([system]) >= OLDEST:
        return [system]
    host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, timeout=60, check=True)
    archive = Archive(host.stdout.strip(), ("trixie",))
    wanted = archive.versions(("qemu-system-arm",))
    place = cached(
        "qemu",
        key_of(wanted, Path(__file__)),
        lambda new: archive.unpack(wanted, new),
        "a QEMU of Debian trixie in target/qemu, because this system's is older than 10 (60 MB to fetch)",
    )
    libraries = next((place / "usr/lib").glob("*-linux-gnu"))
    loader = next(libraries.glob("ld-linux-*.so.*"))
    here = [str(loader), "--library-path", str(libraries), str(place / "usr/bin" / PROGRAM)]
    if _version(here) < OLDEST:
        raise PackageError(f"the unpacked {PROGRAM} does not run here: {' '.join(here)} --version says why")
    return [*here, "-L", str(place / "usr/share/qemu")]


def _version(program: list[str]) -> int:
    try:
        told = subprocess.run([*program, "--version"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"version (\d+)", told)
    return int(found.group(1)) if found else 0
