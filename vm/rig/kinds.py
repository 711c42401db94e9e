"""The two machines: how QEMU plays them, and where their lines, disks and networks lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """One kind of machine.

    `options` are QEMU's. `command_line` is what the kernel is to know of it. `root` gives the options for the root's
    image. `deadline` is for a boot on a busy host, in seconds. `adapter` is the network's, where it hangs on USB: the
    arguments of QEMU's `device_add`.
    """

    name: str
    options: tuple[str, ...]
    command_line: str
    root: Callable[[Path], list[str]]
    needs_device_tree: bool
    deadline: float
    adapter: Mapping[str, str] = field(default_factory=dict)


def _virt_root(image: Path) -> list[str]:
    return [
        "-drive", f"if=none,id=root,format=raw,readonly=on,file={image}",
        "-device", "virtio-blk-device,drive=root",
    ]  # fmt: skip


def _pi_root(image: Path) -> list[str]:
    # QEMU refuses an SD card that cannot be written; what is written goes to a file of its own that is forgotten.
    return ["-drive", f"if=sd,format=raw,snapshot=on,file={image}"]


VIRT = Kind(
    name="virt",
    options=(
        "-M", "virt,gic-version=3",
        "-cpu", "cortex-a53",
        "-smp", "2",
        "-m", "1024",
        "-accel", "tcg,thread=multi",
        "-serial", "chardev:console",
        "-device", "virtio-serial-device",
        "-device", "virtserialport,chardev=shell,name=rig",
        "-device", "virtio-rng-device",
        "-device", "virtio-net-device,netdev=net",
    ),
    command_line="console=ttyAMA0 rig.root=/dev/vda rig.shell=/dev/virtio-ports/rig",
    root=_virt_root,
    needs_device_tree=False,
    deadline=180,
)  # fmt: skip

# With an address of its own, or a second one would be given another in QEMU's network than the first.
_PI_ADAPTER = {"driver": "usb-net", "netdev": "net", "id": "adapter", "mac": "52:54:00:12:34:57"}

RASPI3B = Kind(
    name="raspi3b",
    options=(
        "-M", "raspi3b",
        # Four cores that cannot be fewer: on two of the host's they are quicker in one thread.
        "-accel", "tcg,thread=single",
        # The first line is the good one (PL011), and is the shell's; the kernel talks on the small one.
        "-serial", "chardev:shell",
        "-serial", "chardev:console",
        "-device", ",".join(f"{key}={value}" for key, value in _PI_ADAPTER.items()),
    ),
    # The last is how Raspberry Pi's own kernels have it: a line stays driven when its holder dies.
    command_line="console=ttyS1,115200 rig.root=/dev/mmcblk0 rig.shell=/dev/ttyAMA0 pinctrl_bcm2835.persist_gpio_outputs=1",
    root=_pi_root,
    needs_device_tree=True,
    deadline=300,
    adapter=_PI_ADAPTER,
)  # fmt: skip

KINDS = {kind.name: kind for kind in (VIRT, RASPI3B)}
