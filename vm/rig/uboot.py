"""Our own U-Boot: Debian's source package of the version that Buildroot builds, our patch and fragments on top.

Debian's ready ones keep their environment in a file and read no squashfs, so they cannot show our boot chain.
"""

import os
import shutil
import subprocess
from pathlib import Path

from vm.rig.cache import cached, key_of
from vm.rig.packages import PackageError, SourceArchive
from vm.rig.paths import REPOSITORY

_TREE = REPOSITORY / "buildroot"
_FRAGMENTS = _TREE / "board" / "pulsebox" / "uboot"
# Machine → U-Boot's own configuration, and our fragment of its board.
BOARDS = {"virt": ("qemu_arm64", "qemu"), "raspi3b": ("rpi_arm64", "rpi64")}
# Buildroot's release has the same.
VERSION = "2025.01"
DEADLINE = 1200


def loader(machine: str) -> Path:
    """`u-boot.bin` for this machine (`virt` or `raspi3b`); compiled when there is none of these ingredients yet."""
    defconfig, board = BOARDS[machine]
    fragments = [_FRAGMENTS / "root.fragment", _FRAGMENTS / f"{board}.fragment"]
    patches = sorted((_TREE / "patches" / "uboot").glob("*.patch"))
    archive = SourceArchive("trixie")
    version = archive.version("u-boot")
    if version != VERSION:
        raise PackageError(f"Debian's U-Boot is {version} now, and Buildroot's is {VERSION}: say in uboot.py what to do")

    def make(place: Path) -> None:
        work = place / "work"
        archive.fetch("u-boot", work)
        (packed,) = work.glob("u-boot_*.orig.tar.*")
        _run(["tar", "-xf", str(packed), "-C", str(work)])
        (source,) = work.glob("u-boot-*")
        for patch in patches:
            _run(["patch", "-p1", "--fuzz=0", "-i", str(patch)], source)
        build = work / "build"
        _run(["make", "-s", f"O={build}", f"{defconfig}_defconfig"], source)
        merge = ["scripts/kconfig/merge_config.sh", "-m", "-O", str(build), str(build / ".config")]
        _run([*merge, *map(str, fragments)], source)
        _run(["make", "-s", f"O={build}", "olddefconfig"], source)
        make = ["nice", "-n", "10", "make", "-s", f"O={build}", f"-j{os.cpu_count()}", "CROSS_COMPILE=aarch64-linux-gnu-"]
        _run([*make, "u-boot.bin"], source)
        shutil.copy(build / "u-boot.bin", place / "u-boot.bin")
        shutil.rmtree(work)

    key = key_of(version, defconfig, *fragments, *patches)
    what = f"U-Boot for {machine} of Debian's source (33 MB to fetch, some two minutes)"
    return cached(f"uboot-{machine}", key, make, what) / "u-boot.bin"


def _run(command: list[str], folder: Path | None = None) -> None:
    # Not those of a make that called this.
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE)
    except FileNotFoundError:
        raise PackageError(f"{command[0]} is not there: scripts/need test-vm")
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise PackageError(f"U-Boot: {' '.join(command[:4])} … failed (scripts/need test-vm?):\n{last}")
