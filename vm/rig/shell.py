"""A guest to look around in: `/usr/bin/python3 -m vm.rig.shell --binary PATH [--machine raspi3b] [--run COMMAND]`.

With `--image` it is the appliance itself, from a fresh card: `… --image [--put pulsebox.yaml=PATH] [--settled]`. Without `--run` it takes commands line by line until `exit`; each runs by itself, in bash, as root.
"""

import argparse
import sys
from pathlib import Path

from vm.rig import pulsebox
from vm.rig.appliance import Appliance
from vm.rig.card import Card, CardError
from vm.rig.console import ConsoleError, Result
from vm.rig.kernel import KERNELS
from vm.rig.kinds import KINDS
from vm.rig.machine import Machine, MachineError
from vm.rig.packages import PackageError
from vm.rig.paths import say


def _show(result: Result) -> int:
    sys.stdout.buffer.write(result.output)
    sys.stdout.flush()
    sys.stderr.buffer.write(result.errors)
    sys.stderr.flush()
    return result.code


def _talk(machine: Machine, seconds: float) -> None:
    for port, here in machine.monitor.forwarded().items():
        say(f"the guest's port {port} is http://127.0.0.1:{here}")
    say(f"console: {machine.console_log}; a command may take {seconds:.0f} s; the host's loopback is 10.0.2.2; exit ends it")
    while True:
        try:
            command = input("guest# ")
        except EOFError:
            return
        if command.strip() == "exit":
            return
        try:
            code = _show(machine.run(command, seconds)) if command.strip() else 0
        except ConsoleError as error:
            say(str(error))
        else:
            if code:
                say(f"exit code {code}")


def main() -> int:
    """The command line; gives the exit code of `--run`'s command."""
    parser = argparse.ArgumentParser(description="Boots a guest of the rig and runs commands in it.")
    parser.add_argument("--machine", choices=KINDS, default="virt")
    parser.add_argument("--kernel", choices=KERNELS, default="trixie")
    parser.add_argument("--binary", type=Path, help="becomes /usr/bin/pulsebox in the guest, with its service")
    parser.add_argument("--file", action="append", default=[], metavar="GUEST=HERE", help="a file or folder to bring")
    parser.add_argument("--port", action="append", type=int, metavar="PORT", help="a guest's port to forward (80)")
    parser.add_argument("--run", metavar="COMMAND", help="run this and end")
    parser.add_argument("--seconds", type=float, default=120, help="how long a command may take")
    parser.add_argument("--image", action="store_true", help="the appliance, booted from a card")
    parser.add_argument("--put", action="append", default=[], metavar="NAME=HERE", help="a file for the card's p1")
    parser.add_argument("--settled", action="store_true", help="with --image: wait until systemd has started all")
    given = parser.parse_args()
    try:
        return _appliance(given) if given.image else _machine(given)
    except (MachineError, PackageError, ConsoleError, CardError, OSError) as error:
        say(str(error))
        return 1


def _appliance(given: argparse.Namespace) -> int:
    card = Card.new()
    for name, _, here in (one.partition("=") for one in given.put):
        card.put(name, Path(here).read_bytes())
    with Appliance(card, given.machine, name="shell", ports=tuple(given.port or (80,))) as box:
        box.until_up()
        say(f"{given.machine} is up after {box.boot_seconds:.0f} s")
        if given.settled:
            say("system: " + ", failed: ".join(box.until_settled()))
        return _use(box, given)


def _use(machine: Machine, given: argparse.Namespace) -> int:
    if given.run is not None:
        return _show(machine.run(given.run, given.seconds))
    _talk(machine, given.seconds)
    return 0


def _machine(given: argparse.Namespace) -> int:
    own = {guest: Path(here) for guest, _, here in (one.partition("=") for one in given.file)}
    files = (pulsebox.files() if given.binary else {}) | own
    with Machine(
        given.machine,
        name="shell",
        kernel=given.kernel,
        binary=given.binary,
        files=files,
        ports=tuple(given.port or (80,)),
    ) as machine:
        say(f"{given.machine} is up after {machine.boot_seconds:.0f} s")
        return _use(machine, given)


if __name__ == "__main__":
    sys.exit(main())
