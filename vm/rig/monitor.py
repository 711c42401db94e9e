"""QEMU's own view of the machine: its monitor (QMP and the human one) and its test port (qtest)."""

import json
import re
import socket
import threading
import time
from collections import deque


class MonitorError(Exception):
    """QEMU refused what it was asked, or did not answer."""


class Lines:
    """Lines of text over a socket, with a deadline for each."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._got = b""

    def send(self, line: str) -> None:
        """Sends one line."""
        self._peer.settimeout(30)
        try:
            self._peer.sendall(line.encode() + b"\n")
        except OSError as error:
            raise MonitorError(f"QEMU does not listen: {error}")

    def read(self, seconds: float) -> str | None:
        """The next line, or nothing if none has come in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._got:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._peer.settimeout(left)
            try:
                data = self._peer.recv(65536)
            except TimeoutError:
                return None
            except OSError as error:
                raise MonitorError(f"QEMU has ended: {error}")
            if not data:
                raise MonitorError("QEMU has ended")
            self._got += data
        line, _, self._got = self._got.partition(b"\n")
        return line.decode(errors="replace").strip()


class Unasked:
    """Lines that QEMU sends of its own accord, each with the monotonic time at which it came.

    They are taken as they come, also while nobody asks: a QEMU that cannot get rid of them stands still, guest and all.
    """

    KEPT = 10_000

    def __init__(self, peer: socket.socket) -> None:
        self._lines = Lines(peer)
        self._told: deque[tuple[float, str]] = deque(maxlen=self.KEPT)
        self._ended: MonitorError | None = None
        self._news = threading.Condition()
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while self._ended is None:
            try:
                line, ended = self._lines.read(3600), None
            except MonitorError as error:
                line, ended = None, error
            with self._news:
                if line is not None:
                    self._told.append((time.monotonic(), line))
                self._ended = ended
                self._news.notify()

    def send(self, line: str) -> None:
        """Sends one line."""
        self._lines.send(line)

    def read(self, seconds: float) -> tuple[float, str] | None:
        """The next line and when it came, or nothing if none has come in time."""
        with self._news:
            self._news.wait_for(lambda: self._told or self._ended, seconds)
            if self._told:
                return self._told.popleft()
            if self._ended:
                raise self._ended
            return None

    def forget(self) -> None:
        """Throws away what has come and was not read."""
        with self._news:
            self._told.clear()


class Monitor:
    """The machine's control and inspection, from outside and without the guest's knowledge."""

    def __init__(self, peer: socket.socket) -> None:
        self._lines = Lines(peer)
        self._turn = threading.Lock()

    def greet(self, seconds: float = 30) -> None:
        """Waits for QEMU's greeting and enters command mode."""
        if self._lines.read(seconds) is None:
            raise MonitorError(f"QEMU has said nothing for {seconds} s")
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: object) -> object:
        """One QMP command; its answer. Threads take turns."""
        with self._turn:
            self._lines.send(json.dumps({"execute": name, "arguments": arguments}))
            deadline = time.monotonic() + 30
            while (line := self._lines.read(max(0.0, deadline - time.monotonic()))) is not None:
                told = json.loads(line)
                if "error" in told:
                    raise MonitorError(f"{name}: {told['error'].get('desc')}")
                if "return" in told:
                    return told["return"]
        raise MonitorError(f"{name}: no answer from QEMU")

    def human(self, line: str) -> str:
        """One command of the human monitor, such as `info usernet` or `xp /1wx 0x3f200034`."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def words(self, address: int, count: int = 1) -> list[int]:
        """32-bit words of the guest's physical memory or devices."""
        told = self.human(f"xp /{count}wx {address:#x}")
        found = [int(word, 16) for word in re.findall(r"0x([0-9a-f]{8})\b(?!:)", told)]
        if len(found) != count:
            raise MonitorError(f"cannot read {address:#x}: {told.strip()}")
        return found

    def forwarded(self) -> dict[int, int]:
        """Guest's TCP port → the host's on 127.0.0.1, of QEMU's user-mode network."""
        ports = {}
        for line in self.human("info usernet").splitlines():
            found = re.search(r"TCP\[HOST_FORWARD\]\s+\S+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)", line)
            if found:
                ports[int(found.group(2))] = int(found.group(1))
        return ports
