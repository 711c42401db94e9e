"""A USB stick as a file: one FAT partition with these files. Plugged into a machine that runs; stays over its restarts.

    with Stick({"pulsebox-9.9.9.raucb": path}) as stick, Appliance(card, options=stick.PORT) as box:
        stick.plug(box)
"""

import os
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vm.rig.machine import Machine

SIZE = 256 << 20
START = 1 << 20
FAT32 = 0x0C


class Stick:
    """`files` maps names in its first folder to files here. `with` removes its file at the end."""

    # What a machine needs at power-on for a stick to be plugged in later.
    PORT = ("-device", "qemu-xhci,id=usb")

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)

    def __enter__(self) -> "Stick":
        handle, name = tempfile.mkstemp(prefix="pulsebox-stick-", suffix=".img")
        self._path = Path(name)
        where = (START // 512, (SIZE - START) // 512)
        entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", FAT32, b"\xfe\xff\xff", *where)
        with os.fdopen(handle, "r+b") as file:
            file.truncate(SIZE)
            file.seek(446)
            file.write(entry)
            file.seek(510)
            file.write(b"\x55\xaa")
        volume = f"{self._path}@@{START}"
        _run("mformat", "-i", volume, "-F", "-v", "STICK", "-T", str(where[1]), "::")
        for name, content in self._files.items():
            _run("mcopy", "-i", volume, str(content), f"::{name}")
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)

    def plug(self, machine: Machine) -> None:
        """Puts it in. A machine that is switched off forgets it."""
        file = {"driver": "file", "filename": str(self._path)}
        machine.monitor.command("blockdev-add", **{"driver": "raw", "node-name": "stick-file", "file": file})
        machine.monitor.command("device_add", driver="usb-storage", id="stick", drive="stick-file", bus="usb.0")

    def unplug(self, machine: Machine) -> None:
        """Takes it out."""
        machine.monitor.command("device_del", id="stick")


def _run(*command: str) -> None:
    done = subprocess.run(command, env=os.environ | {"MTOOLS_SKIP_CHECK": "1"}, capture_output=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
