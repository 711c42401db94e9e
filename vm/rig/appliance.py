"""The appliance in QEMU: our card, our boot loader, our system. Power on, pull the plug, look at it from outside.

    with Appliance(Card.new()) as box:
        box.until_up()
        box.until_healthy()

The chain is the box's own: U-Boot reads its words and boot.scr from the card, the slot's kernel, the slot's root.
Only the Pi's firmware before U-Boot is missing.
"""

import time
from pathlib import Path

from vm.rig import debian, uboot
from vm.rig.api import Api
from vm.rig.card import Card
from vm.rig.console import ConsoleError, Result
from vm.rig.kinds import Kind
from vm.rig.machine import Machine, MachineError

# The card's writes end in this machine's page cache, which outlives a QEMU that is killed. What the box asks to be
# flushed is on the card as soon as it was written, so a flush has nothing to do.
_CACHE = "cache=unsafe"
# From power-on to the rig's shell, in seconds: a host where six others build and emulate has made it 230.
UP_DEADLINE = {"virt": 600.0, "raspi3b": 900.0}


class Appliance(Machine, Api):
    """One box with this card in it. `with` switches it on, and off (as by the plug) at the end.

    `kind` is `virt` or `raspi3b`. `ports` of the guest are forwarded to 127.0.0.1: `box.port(80)`. `options` are more
    of QEMU's. With `records`, each write to the card is kept, for `vm.rig.writes`. `log` keeps the serial line's words of
    all its boots, from the first power-on.
    """

    def __init__(
        self,
        card: Card,
        kind: str = "virt",
        *,
        name: str = "appliance",
        ports: tuple[int, ...] = (80,),
        options: tuple[str, ...] = (),
        deadline: float | None = None,
        records: bool = False,
    ) -> None:
        deadline = deadline if deadline is not None else UP_DEADLINE.get(kind)
        super().__init__(kind, name=name, ports=ports, options=options, deadline=deadline, reboots=True)
        self.card = card
        self.writes = card.log() if records else None

    def start(self) -> None:
        """The first power-on: with an empty log."""
        self.console_log.parent.mkdir(parents=True, exist_ok=True)
        self.console_log.write_bytes(b"")
        self.power_on()

    def power_on(self) -> None:
        """Puts the plug in. Nothing is waited for."""
        # In the cache before the clock runs.
        loader = uboot.loader(self.kind.name)
        self.powered_at = time.monotonic()
        self._switch_on(lambda sockets: [*_hardware(self.kind, loader, self.card, self.writes), *self._lines(sockets), *self._options])

    def cut(self) -> None:
        """Pulls the plug: QEMU is killed. What the card has taken is on it, nothing else."""
        self.stop()

    def until_up(self, seconds: float | None = None) -> None:
        """Waits until the rig's shell answers; it starts early, long before the daemon."""
        self._wait_ready(seconds or self.deadline)
        self.boot_seconds = time.monotonic() - self.powered_at

    def until_restarted(self, seconds: float | None = None) -> None:
        """Waits for the next boot's shell, after a restart that the box made by itself."""
        self._wait_ready(seconds or self.deadline + 60)

    def restart(self) -> None:
        """An orderly restart from inside, and waits for the next boot's shell."""
        try:
            self.run("systemctl reboot --no-block")
        except (ConsoleError, MachineError):
            pass  # It went before it answered.
        self.until_restarted()

    def until_healthy(self, seconds: float = 400) -> None:
        """Waits until the page answers from outside. The rig's shell is to be up."""
        self.until_plugged()
        self.until("the page answers", self.is_healthy, seconds)

    def until_settled(self, seconds: float = 400) -> tuple[str, str]:
        """Waits until systemd has nothing left to start: its state then, and the units that failed."""
        state = self.run("systemctl is-system-running --wait", seconds).text.strip()
        return state, self.ask("systemctl --failed --no-legend --plain")

    def facts(self, name: str) -> dict[str, str]:
        """What root's jobs tell the daemon in this boot, as soon as they have: `start`, `data`, `update`, …"""
        told = self.ask(f"until [ -e /run/box/{name} ]; do sleep 0.3; done; cat /run/box/{name}", 600)
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    @property
    def page(self) -> str:
        """The page's address here. Another after each power-on."""
        return f"http://127.0.0.1:{self.port(80)}"

    def log(self, lines: int = 40) -> str:
        """The last of the daemon's log, or of the console where no shell answers."""
        try:
            told: Result = self.run(f"journalctl -u pulsebox -n {lines} --no-pager", 60)
            return told.text
        except (ConsoleError, MachineError, AttributeError):
            return self.tail(lines)


def _hardware(kind: Kind, loader: Path, card: Card, writes: Path | None) -> list[str]:
    drive = f"format=raw,{_CACHE},file={card.path}"
    if writes is not None:
        writes.write_bytes(b"")
        drive = f"driver=blklogwrites,{_CACHE},file.driver=raw,file.file.filename={card.path},log.filename={writes}"
    if kind.name == "virt":
        return [
            *kind.options,
            "-bios", str(loader),
            "-device", "sdhci-pci",
            "-drive", f"if=none,id=card,{drive}",
            "-device", "sd-card,drive=card",
            "-device", "i6300esb",
            # A busy host lets the box feed it too late. A test of it has it bite by the monitor's `set-action`.
            "-action", "watchdog=none",
        ]  # fmt: skip
    return [
        *kind.options,
        "-kernel", str(loader),
        "-dtb", str(debian.base().device_tree),
        # What the Pi's firmware would hand on. Opening QEMU's watchdog of the Pi resets it at once.
        "-append", f"{kind.command_line} systemd.watchdog_sec=0",
        "-drive", f"if=sd,{drive}",
    ]  # fmt: skip


