"""The lines of the emulated Pi's header, from outside: levels and directions from the chip's registers, and edges.

The guest knows nothing of it. Numbers are those of the chip, which are also those of the header ("GPIO 17" is 17).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from vm.rig.machine import Machine
from vm.rig.monitor import MonitorError

_CHIP = 0x3F20_0000
_LEVEL = _CHIP + 0x34
# QEMU's name of the chip.
_PATH = "/machine/soc/peripherals/gpio"
_OUTPUT = 0b001
LINES = 54


@dataclass(frozen=True)
class Edge:
    """A line's change, `at` seconds of the host's monotonic clock, which is also the guest's pace."""

    line: int
    level: bool
    at: float


def runs(edges: list[Edge], line: int) -> list[tuple[bool, float]]:
    """Levels of a line and how long each lasted, in seconds; what began before and ended after is left out."""
    of_line = [edge for edge in edges if edge.line == line]
    return [(edge.level, after.at - edge.at) for edge, after in zip(of_line, of_line[1:])]


class Pins:
    """The 54 lines of one running `raspi3b`."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._is_watched = False

    def level(self, line: int) -> bool:
        """Whether the line is high."""
        word = self._machine.monitor.words(_LEVEL + line // 32 * 4)[0]
        return bool(word >> line % 32 & 1)

    def function(self, line: int) -> int:
        """What the line is for: 0 an input, 1 an output, else one of the chip's own uses."""
        word = self._machine.monitor.words(_CHIP + line // 10 * 4)[0]
        return word >> line % 10 * 3 & 0b111

    def is_output(self, line: int) -> bool:
        """Whether somebody drives the line. The level of one that was released stays in the chip, so ask this too."""
        return self.function(line) == _OUTPUT

    def until(self, line: int, level: bool, seconds: float) -> float:
        """Waits until the line is so; gives the monotonic time at which that was seen."""
        deadline = time.monotonic() + seconds
        while self.level(line) != level:
            if time.monotonic() > deadline:
                raise AssertionError(f"line {line} was not {'high' if level else 'low'} within {seconds:.0f} s")
            time.sleep(0.01)
        return time.monotonic()

    def edges(self, seconds: float, *lines: int, start: Callable[[], object] = lambda: None) -> list[Edge]:
        """Every change of these lines from when `start` is called until so long after it, as QEMU signals it.

        QEMU tells edges of a line from its second one on: it reports changes against what it last signalled.
        """
        port = self._machine.test_port
        port.forget()
        if not self._is_watched:
            port.send(f"irq_intercept_out {_PATH}")
            self._is_watched = True
        start()
        found = []
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            told = port.read(left)
            if told is None:
                break
            at, line = told
            words = line.split()
            if words[:1] == ["IRQ"]:
                if int(words[2]) in lines:
                    found.append(Edge(int(words[2]), words[1] == "raise", at))
            elif words[:1] != ["OK"]:
                raise MonitorError(f"QEMU's test port: {line}")
        return found
