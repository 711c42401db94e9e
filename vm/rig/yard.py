"""The machines of a test run: booted when first asked for, shared by the tests, one at a time."""

from pathlib import Path

from vm.rig import pulsebox
from vm.rig.console import ConsoleError
from vm.rig.machine import Machine, MachineError
from vm.rig.paths import say


class Yard:
    """Holds the machine that runs. Another kind takes its place: more at once would starve each other."""

    def __init__(self, binary: Path) -> None:
        self._binary = binary
        self._running: Machine | None = None
        self._what: tuple[str, str] | None = None

    @property
    def running(self) -> Machine | None:
        """The machine that is on now, if any."""
        return self._running

    def machine(self, kind: str, kernel: str = "trixie") -> Machine:
        """A booted machine of this kind, with the daemon's binary and unit, and ports 80 and 8080 forwarded."""
        if self._what == (kind, kernel) and self._answers():
            return self._running
        self.stop()
        machine = Machine(
            kind,
            name=f"{kind}-{kernel}",
            kernel=kernel,
            binary=self._binary,
            files=pulsebox.files(),
            ports=(80, 8080),
        )
        self._running, self._what = machine, (kind, kernel)
        machine.__enter__()
        say(f"{kind} with the kernel of {kernel} is up after {machine.boot_seconds:.0f} s")
        return machine

    def stop(self) -> None:
        """Switches off what runs."""
        if self._running is not None:
            self._running.stop()
        self._running = self._what = None

    def _answers(self) -> bool:
        try:
            return self._running.run("true", 30).code == 0
        except (ConsoleError, MachineError) as error:
            say(f"{self._what[0]} does not answer any more and is booted anew: {error}")
            return False
