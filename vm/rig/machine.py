"""One machine in QEMU, from power-on to power-off. Everything has a deadline, and nothing outlives the test.

    with Machine("virt", binary=Path("target/pulsebox-aarch64")) as machine:
        machine.run("pulsebox --version").text

`virt` is quick to boot. `raspi3b` is a Raspberry Pi 3 with the real drivers of its lines, SD card and USB.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from vm.rig import qemu
from vm.rig.console import Console, ConsoleError, Result
from vm.rig.cpio import Cpio
from vm.rig.kinds import KINDS
from vm.rig.monitor import Monitor, MonitorError, Unasked
from vm.rig.paths import LOG, say
from vm.rig.root import Boot, boot_files

# How much of the guest's console goes into an error.
TAIL_LINES = 40

# Of the Pi's network adapter: how often it is plugged in anew; whether Linux has it, which on a busy host takes two
# minutes from the rig's shell on; what Linux said of it.
PLUGS = 3
ADAPTER_IS_THERE = (
    "i=0; while [ $i -lt 150 ]; do ls /sys/bus/usb/drivers/cdc_ether 2>/dev/null | grep -q : && break; i=$((i+1)); sleep 1; done;"
    " [ $i -lt 150 ]"
)
USB_SAID = "dmesg | grep -iE 'usb|dwc2|cdc_ether' | tail -n 20"


class MachineError(Exception):
    """A machine that does not come up or has gone, with the last that its console said."""


class Machine:
    """A context manager: inside it the guest runs and its shell answers.

    `kind`: `virt` or `raspi3b`. `kernel`: `trixie` or `backports`, see kernel.py. `binary` becomes /usr/bin/pulsebox,
    `files` (path in the guest → path here, or the bytes) are there from the first moment. `ports` of the guest are
    forwarded to free ones on 127.0.0.1: `machine.port(80)`. The host's loopback is 10.0.2.2 in the guest. `options`
    are QEMU's own, such as a device or a drive more; `append` is added to the kernel's command line. `deadline` is for
    the boot, in seconds. `boot` puts other boot files in place of the rig's; where they have no `initrd` they have no
    shell of the rig either, and `run` is not to be used.
    """

    def __init__(
        self,
        kind: str = "virt",
        *,
        name: str = "machine",
        kernel: str = "trixie",
        binary: Path | None = None,
        files: Mapping[str, Path | bytes] | None = None,
        ports: tuple[int, ...] = (80,),
        options: tuple[str, ...] = (),
        append: str = "",
        deadline: float | None = None,
        boot: Boot | None = None,
        reboots: bool = False,
    ) -> None:
        if kind not in KINDS:
            raise MachineError(f'no machine "{kind}": say {" or ".join(KINDS)}')
        self.kind = KINDS[kind]
        self.name = name
        self.deadline = deadline if deadline is not None else self.kind.deadline
        self.console_log = LOG / f"{name}.log"
        self.boot_seconds = 0.0
        self._kernel, self._boot = kernel, boot
        self._files = dict(files or {})
        if binary is not None:
            self._files["/usr/bin/pulsebox"] = binary
        self._ports, self._options, self._append, self._reboots = ports, options, append, reboots
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: list[socket.socket] = []
        self._work: Path | None = None

    def __enter__(self) -> "Machine":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Power on, and wait until the guest's shell answers."""
        self.console_log.parent.mkdir(parents=True, exist_ok=True)
        self.console_log.write_bytes(b"")
        boot = self._boot or boot_files(self._kernel)
        began = time.monotonic()
        self._switch_on(lambda sockets: self._arguments(boot, sockets))
        if boot.initrd is not None:
            self._wait_ready(self.deadline)
            self.until_plugged()
            # Devices that were there from the start have their nodes and links, and the network its address.
            self.ask("udevadm settle --timeout=120; until [ -n \"$(ip route)\" ]; do sleep 0.2; done", 150)
        self.boot_seconds = time.monotonic() - began

    def _switch_on(self, arguments: Callable[[list[int]], list[str]]) -> None:
        """Starts QEMU; `arguments` is given the numbers of its sockets for shell, monitor and test port."""
        program = qemu.command()
        self._work = Path(tempfile.mkdtemp(prefix="pulsebox-vm-"))
        ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
        self._sockets += ours
        self._power_on([*program, *arguments([one.fileno() for one in theirs])], theirs)
        self.console, self.monitor, self.test_port = Console(ours[0]), Monitor(ours[1]), Unasked(ours[2])
        try:
            self.monitor.greet()
            self._forwarded = self.monitor.forwarded()
        except MonitorError as error:
            raise MachineError(f"{error}\n{self.tail()}") from error

    def _wait_ready(self, seconds: float) -> None:
        try:
            self.console.wait_ready(seconds)
        except ConsoleError as error:
            raise MachineError(f"{self.kind.name} is not up after {seconds:.0f} s: {error}\n{self.tail()}") from error

    def until_plugged(self) -> None:
        """Waits for the network's adapter on USB, where there is one.

        Once in dozens of boots on a busy host Linux gives up on QEMU's USB before it has found it. As a person would,
        the rig then pulls it out and plugs it in, and says so.
        """
        if not self.kind.adapter:
            return
        for plugs_left in reversed(range(PLUGS + 1)):
            if self.run(ADAPTER_IS_THERE, 600).code == 0:
                return
            if plugs_left:
                say(f"{self.name}: no network adapter is found, so it is plugged in anew; Linux said:\n{self.ask(USB_SAID)}")
                self.monitor.command("device_del", id=self.kind.adapter["id"])
                self.monitor.command("device_add", **self.kind.adapter)
        raise MachineError(f"{self.name}: no network adapter, though it was plugged in {PLUGS} times\n{self.tail()}")

    def stop(self) -> None:
        """Power off at once, as if the plug were pulled. Does nothing on a machine that is off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
            self._process = None
        for one in self._sockets:
            one.close()
        self._sockets.clear()
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work = None

    def run(self, command: str, seconds: float = 60) -> Result:
        """Runs a bash command in the guest: see Console.run."""
        return self._with_tail(lambda: self.console.run(command, seconds))

    def ask(self, command: str, seconds: float = 60) -> str:
        """Runs a command that is to succeed; its output as text."""
        return self._with_tail(lambda: self.console.ask(command, seconds))

    def port(self, guest: int) -> int:
        """The port on 127.0.0.1 that leads to the guest's."""
        if guest not in self._forwarded:
            raise MachineError(f"port {guest} is not forwarded: name it in Machine(ports=…)")
        return self._forwarded[guest]

    def follow(self, address: str) -> None:
        """The guest has another address in 10.0.2.0/24 than the one that it was given: its forwarded ports lead there."""
        for guest, ours in self._forwarded.items():
            self.monitor.human(f"hostfwd_remove tcp:127.0.0.1:{ours}")
            self.monitor.human(f"hostfwd_add tcp:127.0.0.1:0-{address}:{guest}")
        self._forwarded = self.monitor.forwarded()

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The last that the guest's console said, and QEMU's own complaint if there is one."""
        said = self.console_log.read_bytes().decode(errors="replace").splitlines()[-lines:]
        complaint = ""
        if self._work is not None and (self._work / "qemu.err").exists():
            complaint = (self._work / "qemu.err").read_text(errors="replace").strip()
        return "\n".join([f"--- the end of {self.console_log}:", *said, complaint]).rstrip()

    @property
    def process(self) -> int:
        """QEMU's process id."""
        if self._process is None:
            raise MachineError("the machine is off")
        return self._process.pid

    def _with_tail(self, action):
        try:
            return action()
        except ConsoleError as error:
            if self._process is not None and self._process.poll() is not None:
                raise MachineError(f"{error}\n{self.tail()}") from error
            raise

    def _power_on(self, command: list[str], theirs: tuple[socket.socket, ...]) -> None:
        # setpriv: QEMU dies with us, also where we are killed and clean up nothing.
        command = ["setpriv", "--pdeathsig", "KILL", *command]
        with (self._work / "qemu.err").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=[one.fileno() for one in theirs],
                start_new_session=True,
            )
        for one in theirs:
            one.close()

    def _arguments(self, boot: Boot, sockets: list[int]) -> list[str]:
        kind = self.kind
        arguments = [*kind.options, *self._lines(sockets), "-kernel", str(boot.image)]
        if not self._reboots:
            arguments.append("-no-reboot")
        if boot.initrd is not None:
            arguments += ["-initrd", str(self._initrd(boot.initrd))]
            arguments += ["-append", " ".join([kind.command_line, COMMAND_LINE, self._append])]
        if boot.root is not None:
            arguments += kind.root(boot.root)
        if kind.needs_device_tree and boot.pi_device_tree is not None:
            arguments += ["-dtb", str(boot.pi_device_tree)]
        return [*arguments, *self._options]

    def _lines(self, sockets: list[int]) -> list[str]:
        """Whatever is booted: the lines to it, and its network."""
        shell, monitor, test = sockets
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:0-:{port}" for port in self._ports)
        return [
            "-nodefaults",
            "-display", "none",
            "-chardev", f"file,id=console,path={self.console_log},append=on",
            "-chardev", f"socket,id=shell,fd={shell}",
            "-chardev", f"socket,id=monitor,fd={monitor}",
            "-mon", "chardev=monitor,mode=control",
            "-chardev", f"socket,id=test,fd={test}",
            "-qtest", "chardev:test",
            "-qtest-log", "none",
            "-netdev", f"user,id=net{forwards}",
        ]  # fmt: skip

    def _initrd(self, initial: Path) -> Path:
        """The initial root, and behind it a second archive with what this boot alone brings."""
        own = Cpio()
        for path, content in self._files.items():
            place = f"overlay/{path.lstrip('/')}"
            if isinstance(content, bytes):
                own.file(place, content, 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644)
            else:
                own.copy(place, content)
        joined = self._work / "initrd"
        joined.write_bytes(initial.read_bytes() + own.data())
        return joined


# Both machines': names of network interfaces as the kernel gives them; a panic ends QEMU at once.
COMMAND_LINE = "net.ifnames=0 panic=-1 loglevel=5 systemd.journald.forward_to_console=1 systemd.show_status=0"
