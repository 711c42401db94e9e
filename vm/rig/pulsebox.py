"""The daemon in a guest, as its own systemd unit runs it, and its API as a program on the network uses it."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from vm.rig.console import ConsoleError
from vm.rig.machine import Machine
from vm.rig.paths import REPOSITORY

PASSWORD = "garden path 7"
CONFIG = "/var/lib/pulsebox/pulsebox.yaml"
# The port that the tests' configuration names.
PORT = 80

_UNITS = REPOSITORY / "systemd"
# A guest that is emulated on a busy machine is not held to a Pi's pace.
_PATIENCE = b"[Service]\nTimeoutStartSec=240\nTimeoutStopSec=60\nWatchdogSec=300\n"


def files() -> dict[str, Path | bytes]:
    """What a machine needs at boot, besides the binary, so that the daemon can run in it as on the appliance."""
    return {
        "/usr/lib/systemd/system/pulsebox.service": _UNITS / "pulsebox.service",
        "/usr/lib/systemd/system/pulsebox.service.d/rig.conf": _PATIENCE,
        "/usr/lib/udev/rules.d/60-pulsebox.rules": _UNITS / "pulsebox.rules",
        "/usr/lib/modules-load.d/pulsebox.conf": _UNITS / "pulsebox.modules",
    }


class ApiError(Exception):
    """The API answered with a failure: its status and what it said."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        super().__init__(f"{what}: {status} {body[:1000].decode(errors='replace')}")
        self.status = status
        self.body = body


class Pulsebox:
    """`with Pulsebox(machine, config) as box:` – the daemon runs inside, freshly made and claimed; then it is gone.

    `config` is pulsebox.yaml without `web`, which the rig adds.
    """

    def __init__(self, machine: Machine, config: str, *, claim: bool = True) -> None:
        self.machine = machine
        self.page = f"http://127.0.0.1:{machine.port(PORT)}"
        self._config, self._claim = config, claim
        self._token: str | None = None

    def __enter__(self) -> "Pulsebox":
        try:
            self.machine.ask("systemctl stop pulsebox; rm -rf /var/lib/pulsebox /var/lib/private/pulsebox", 60)
            self.machine.ask("mkdir -p /var/lib/pulsebox; systemctl reset-failed pulsebox 2>/dev/null; true")
            self.configure(self._config)
            self.start()
            if self._claim:
                self._token = self._claimed()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        except ConsoleError:
            pass  # The machine is gone; whoever waits for it says so.

    def configure(self, config: str) -> None:
        """Writes pulsebox.yaml anew in one piece, as an editor does."""
        text = f'{config.rstrip()}\nweb: {{ listen: "0.0.0.0:{PORT}" }}\n'
        self.machine.console.put(f"{CONFIG}.new", text.encode())
        self.machine.ask(f"chmod 644 {CONFIG}.new && mv {CONFIG}.new {CONFIG}")

    def start(self, seconds: float = 200) -> None:
        """Starts the unit, which says itself when it is ready, and waits until the page answers from outside."""
        started = self.machine.run("systemctl start pulsebox", seconds)
        if started.code != 0:
            raise ConsoleError(f"pulsebox did not start:\n{self.log()}")
        self.until("the page answers", self.is_healthy, 60)

    def stop(self) -> None:
        """Ends the daemon as systemd does."""
        self.machine.ask("systemctl stop pulsebox 2>/dev/null; true", 60)

    def is_healthy(self) -> bool:
        """Whether /api/health answers; what it says is another matter."""
        try:
            self.call("GET", "/api/health", seconds=5)
        except ApiError as error:
            return error.status == 503
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        """GET, with the answer's JSON."""
        return json.loads(self.call("GET", path) or b"null")

    def post(self, path: str, body: object = None) -> Any:
        """POST of JSON, with the answer's JSON."""
        return json.loads(self.call("POST", path, body) or b"null")

    def call(self, method: str, path: str, body: object = None, seconds: float = 60) -> bytes:
        """Any call; the answer's body. ApiError where the status is 400 or more, OSError where nobody answers."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return self._ask(method, path, body, headers, seconds)[1]

    def camera(self, camera: str) -> dict[str, Any]:
        """One camera as the board has it."""
        return self.get(f"/api/streams/{camera}")

    def until(self, what: str, holds, seconds: float = 120) -> Any:
        """What `holds` gives as soon as it is true; asked five times a second."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.log()}")
            time.sleep(0.2)
        return found

    def log(self, lines: int = 40) -> str:
        """The last of the daemon's own log."""
        return self.machine.run(f"journalctl -u pulsebox -n {lines} --no-pager", 60).text

    def _claimed(self) -> str:
        headers = {"Content-Type": "application/json"}
        answer, _ = self._ask("POST", "/api/claim", {"password": PASSWORD}, headers, 120)
        headers |= {"Cookie": answer["Set-Cookie"].split(";")[0], "Origin": self.page}
        _, made = self._ask("POST", "/api/tokens", {"name": "rig", "scope": "admin"}, headers, 120)
        return json.loads(made)["token"]

    def _ask(self, method: str, path: str, body: object, headers: dict[str, str], seconds: float):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.page + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(f"{method} {path}", error.code, error.read()) from None
