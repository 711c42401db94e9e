"""QEMU's own view of the machine: its monitor (QMP and the human one) and its test port (qtest)."""

import json
import re
import socket
import time


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


class Monitor:
    """The machine's control and inspection, from outside and without the guest's knowledge."""

    def __init__(self, peer: socket.socket) -> None:
        self._lines = Lines(peer)

    def greet(self, seconds: float = 30) -> None:
        """Waits for QEMU's greeting and enters command mode."""
        if self._lines.read(seconds) is None:
            raise MonitorError(f"QEMU has said nothing for {seconds} s")
        self.command("qmp_capabilities")

    def command(self, name: str, **arguments: object) -> object:
        """One QMP command; its answer."""
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
