"""The daemon in a guest, as its own systemd unit runs it, and its API as a program on the network uses it."""

from pathlib import Path

from vm.rig.api import Api
from vm.rig.console import ConsoleError
from vm.rig.machine import Machine
from vm.rig.paths import REPOSITORY

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


class Pulsebox(Api):
    """`with Pulsebox(machine, config) as box:` – the daemon runs inside, freshly made and claimed; then it is gone.

    `config` is pulsebox.yaml without `web`, which the rig adds.
    """

    def __init__(self, machine: Machine, config: str, *, claim: bool = True) -> None:
        self.machine = machine
        self.page = f"http://127.0.0.1:{machine.port(PORT)}"
        self._config, self._claim = config, claim

    def __enter__(self) -> "Pulsebox":
        try:
            self.machine.ask("systemctl stop pulsebox; rm -rf /var/lib/pulsebox /var/lib/private/pulsebox", 60)
            self.machine.ask("mkdir -p /var/lib/pulsebox; systemctl reset-failed pulsebox 2>/dev/null; true")
            self.configure(self._config)
            self.start()
            if self._claim:
                self.claim()
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

    def log(self, lines: int = 40) -> str:
        """The last of the daemon's own log."""
        return self.machine.run(f"journalctl -u pulsebox -n {lines} --no-pager", 60).text
