"""Commands in the guest, over a serial line of their own: exit code, output and errors come back whole.

The guest's end is vm/rig/guest/shell. The kernel's messages go to another line, so nothing mixes in; answers are framed
by a word that nobody can guess and are in base64, so any bytes may be in them.
"""

import base64
import secrets
import socket
import time
from dataclasses import dataclass

# An answer is held in memory: more than this is a mistake of the test.
MOST = 64 * 1024 * 1024
# Beyond the command's own deadline in the guest: until its answer has come over the line of a slow machine.
GRACE = 30.0
# A line that a serial port takes at once without losing any of it.
PIECE = 16 * 1024
READY = b"rig-shell ready"


class ConsoleError(Exception):
    """The guest did not answer as it should: what was asked, and what came."""


class CommandLate(ConsoleError):
    """A command that took longer than it may. The guest has killed it and takes the next."""


class CommandFailed(ConsoleError):
    """A command that was expected to succeed and did not."""


@dataclass(frozen=True)
class Result:
    """How a command ended in the guest."""

    code: int
    output: bytes
    errors: bytes

    @property
    def text(self) -> str:
        """Its output as text, without the last line end."""
        return self.output.decode(errors="replace").rstrip("\n")


class Console:
    """The host's end of the line. One command at a time."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._got = bytearray()

    def wait_ready(self, seconds: float) -> None:
        """Returns as soon as the guest's shell has said that it listens."""
        self._read_until(READY, time.monotonic() + seconds, "the guest's shell")

    def run(self, command: str, seconds: float = 60) -> Result:
        """Runs a bash command, which may be many lines. `seconds` is the guest's deadline for it, whole ones."""
        token = secrets.token_hex(16)
        whole = max(1, round(seconds))
        coded = base64.b64encode(command.encode())
        asked = f"{token} {whole} {len(coded)}".ljust(63).encode() + b"\n" + coded
        deadline = time.monotonic() + whole + GRACE
        self._send(asked, deadline, command)
        self._read_until(f"{token} begin\n".encode(), deadline, command)
        output = self._read_until(f"{token} errors\n".encode(), deadline, command)
        errors = self._read_until(f"{token} end ".encode(), deadline, command)
        code, ended = self._read_until(b"\n", deadline, command).split()
        result = Result(int(code), base64.b64decode(output), base64.b64decode(errors))
        if ended == b"late":
            raise CommandLate(f"not done within {whole} s: {_short(command)}\n{_told(result)}")
        return result

    def ask(self, command: str, seconds: float = 60) -> str:
        """As `run`, for a command that is to succeed: its output as text."""
        result = self.run(command, seconds)
        if result.code != 0:
            raise CommandFailed(f"exit code {result.code}: {_short(command)}\n{_told(result)}")
        return result.text

    def put(self, path: str, content: bytes) -> None:
        """Writes a file in the guest. For small ones; the large ones go in with the boot (`Machine`'s `files`)."""
        self.ask(f"mkdir -p \"$(dirname '{path}')\" && : >'{path}'")
        for start in range(0, len(content), PIECE):
            piece = base64.b64encode(content[start : start + PIECE]).decode()
            self.ask(f"base64 -d <<<{piece} >>'{path}'")

    def get(self, path: str) -> bytes:
        """Reads a file of the guest."""
        result = self.run(f"cat '{path}'", 120)
        if result.code != 0:
            raise CommandFailed(f"no {path} in the guest: {result.errors.decode(errors='replace').strip()}")
        return result.output

    def _send(self, data: bytes, deadline: float, what: str) -> None:
        self._line.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            self._line.sendall(data)
        except TimeoutError:
            raise ConsoleError(f"the guest takes no more input: {_short(what)}")
        except OSError as error:
            raise ConsoleError(f"QEMU has ended ({error}): {_short(what)}")

    def _read_until(self, mark: bytes, deadline: float, what: str) -> bytes:
        searched = 0
        while (found := self._got.find(mark, searched)) < 0:
            searched = max(0, len(self._got) - len(mark))
            if len(self._got) > MOST:
                raise ConsoleError(f"more than {MOST} bytes of answer: {_short(what)}")
            self._got += self._receive(deadline, what)
        before = bytes(self._got[:found])
        del self._got[: found + len(mark)]
        return before

    def _receive(self, deadline: float, what: str) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConsoleError(f"no answer from the guest before the deadline: {_short(what)}")
        self._line.settimeout(left)
        try:
            data = self._line.recv(65536)
        except TimeoutError:
            return b""
        except OSError as error:
            raise ConsoleError(f"QEMU has ended ({error}): {_short(what)}")
        if not data:
            raise ConsoleError(f"QEMU has ended: {_short(what)}")
        return data


def _short(command: str) -> str:
    return command if len(command) < 300 else command[:300] + " …"


def _told(result: Result) -> str:
    told = (result.output[-2000:] + b"\n" + result.errors[-2000:]).decode(errors="replace")
    return told.strip()
