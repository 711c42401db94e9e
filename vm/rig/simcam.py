"""Simulated cameras on the host's loopback, which the guest reaches at 10.0.2.2."""

import os
import signal
import subprocess
import threading
import urllib.request
from pathlib import Path

from vm.rig.paths import REPOSITORY

HOST_SEEN_BY_GUEST = "10.0.2.2"
START_DEADLINE = 30


class Simcam:
    """`with Simcam(2, "--protocol", "http-mjpeg") as cameras:`; `urls` are as the guest is to use them."""

    def __init__(self, count: int, *options: str) -> None:
        self._count, self._options = count, options
        self.urls: list[str] = []

    def __enter__(self) -> "Simcam":
        folder = Path(os.environ.get("PULSEBOX_BINARIES", REPOSITORY / "target" / "debug"))
        command = [
            "setpriv", "--pdeathsig", "KILL", str(folder / "simcam"), "--cameras", str(self._count),
            "--control", "127.0.0.1:0", *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        late = threading.Timer(START_DEADLINE, self._process.kill)
        late.start()
        lines = [self._process.stdout.readline() for _ in range(self._count + 1)]
        late.cancel()
        if not all(lines):
            self.__exit__()
            raise RuntimeError("simcam did not start: cargo build --bin simcam")
        *urls, self._control = [line.split()[1] for line in lines]
        self.urls = [url.replace("127.0.0.1", HOST_SEEN_BY_GUEST) for url in urls]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def become(self, number: int, mood: str) -> None:
        """Camera `number` (from 0) behaves so from now on: `refuses` is a plug that is pulled, `healthy` one put in."""
        url = f"{self._control}/cameras/camera-{number + 1}/mood"
        urllib.request.urlopen(urllib.request.Request(url, mood.encode(), method="PUT"), timeout=20).close()
