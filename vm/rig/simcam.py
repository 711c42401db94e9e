"""Simulated cameras on the host's loopback, which the guest reaches at 10.0.2.2."""

import errno
import os
import random
import signal
import socket
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
        self._control = _free_port()
        command = [
            "setpriv", "--pdeathsig", "KILL", str(folder / "simcam"), "--cameras", str(self._count),
            "--control", f"127.0.0.1:{self._control}", *self._options,
        ]  # fmt: skip
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        late = threading.Timer(START_DEADLINE, self._process.kill)
        late.start()
        lines = [self._process.stdout.readline() for _ in range(self._count)]
        late.cancel()
        if not all(lines):
            self.__exit__()
            raise RuntimeError("simcam did not start: cargo build --bin simcam")
        self.urls = [line.split()[1].replace("127.0.0.1", HOST_SEEN_BY_GUEST) for line in lines]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def become(self, number: int, mood: str) -> None:
        """Camera `number` (from 0) behaves so from now on: `refuses` is a plug that is pulled, `healthy` one put in."""
        url = f"http://127.0.0.1:{self._control}/cameras/camera-{number + 1}/mood"
        urllib.request.urlopen(urllib.request.Request(url, mood.encode(), method="PUT"), timeout=20).close()


def _free_port() -> int:
    """A port that is free now. Below 32768: above, the kernel may hand it to anybody before it is used."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        return port
