"""Debian's arm64 kernels: the image, the Pi's device tree, and the modules that tests may want.

`trixie` is 6.12, as near to Raspberry Pi OS as Debian has. `backports` is the newest: it has gpio-sim, and it is built
without the kernel's first GPIO interface (CONFIG_GPIO_CDEV_V1).
"""

import lzma
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vm.rig.packages import Archive, Package, PackageError

KERNELS = {
    "trixie": (("trixie",), "linux-image-arm64"),
    "backports": (("trixie", "trixie-backports"), "linux-image-arm64/trixie-backports"),
}

# In the initial root: what finds and mounts the root on either machine.
BOOT_MODULES = ("virtio_mmio", "virtio_blk", "bcm2835", "squashfs", "overlay")

# In the root, with all that they need. Names as modprobe takes them; one that a kernel lacks is left out.
MODULES = (
    *BOOT_MODULES,
    # cameras
    "vivid", "uvcvideo", "videobuf2-v4l2",
    # a USB camera made of software: gadget, its controller, and the class
    "dummy_hcd", "libcomposite", "usb_f_uvc", "configfs",
    # a USB camera played on the host (USB/IP)
    "vhci-hcd",
    # lines and lamps
    "gpio-sim", "leds-gpio", "ledtrig-timer", "ledtrig-oneshot", "ledtrig-default-on", "ledtrig-pattern",
    "pwm-bcm2835", "gpio-keys",
    # the machines' own
    "virtio_net", "virtio-rng", "i6300esb", "9p", "9pnet_virtio", "dwc2", "usbnet", "cdc_ether", "rndis_host",
    "phy-generic", "sdhci-iproc", "bcm2835_wdt", "bcm2835-rng", "raspberrypi-hwmon", "raspberrypi-cpufreq",
    # disks and networks that fail, and what the appliance's image is made of
    "loop", "ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "dm-mod", "dm-verity", "dm-flakey",
    "sch_netem", "dummy", "veth",
)


@dataclass(frozen=True)
class Kernel:
    """One kernel's packages, unpacked."""

    release: str
    image: Path
    pi_device_tree: Path
    tree: Path


def packages_of(kernel: str) -> tuple[Archive, list[Package]]:
    """Those packages that bring the kernel itself, without the tools that would make an initial root."""
    if kernel not in KERNELS:
        raise PackageError(f'no kernel "{kernel}": say {" or ".join(KERNELS)}')
    suites, meta = KERNELS[kernel]
    archive = Archive("arm64", suites)
    # tiny-initramfs is the least that will do for a package which wants some maker of initial roots.
    found = archive.versions((meta, "tiny-initramfs"))
    return archive, [one for one in found if one.name.startswith("linux-")]


def unpacked(tree: Path) -> Kernel:
    """Where the parts lie in a folder of unpacked kernel packages; Debian has moved them between 6.12 and 7."""
    modules = next(iter((tree / "usr/lib/modules").iterdir()))
    release = modules.name
    image = _first(tree / f"boot/vmlinuz-{release}", modules / "vmlinuz")
    broadcom = _first(tree / f"usr/lib/linux-image-{release}/broadcom", modules / "dtb/broadcom")
    return Kernel(release, image, broadcom / "bcm2837-rpi-3-b.dtb", tree / "usr")


def copy_modules(kernel: Kernel, root: Path, wanted: tuple[str, ...] = MODULES) -> None:
    """The wanted modules, unpressed (the guest is slow at that), with their index, into `root`/usr/lib/modules."""
    _depmod(kernel.tree.parent, kernel.release)
    source = kernel.tree / "lib/modules" / kernel.release
    target = root / "usr/lib/modules" / kernel.release
    for path in closure(source, wanted):
        content = (source / path).read_bytes()
        place = target / path.removesuffix(".xz")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lzma.decompress(content) if path.endswith(".xz") else content)
    for index in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(source / index, target / index)
    _depmod(root, kernel.release)


def closure(modules: Path, wanted: tuple[str, ...]) -> list[str]:
    """Paths of the wanted modules and all they need, those needed first, as `modules`/modules.dep knows them."""
    needs: dict[str, list[str]] = {}
    by_name: dict[str, str] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needed = line.partition(":")
        needs[path] = needed.split()
        by_name[Path(path).name.split(".")[0].replace("-", "_")] = path
    ordered: dict[str, None] = {}
    for name in wanted:
        path = by_name.get(name.replace("-", "_"))
        if path is None:
            continue
        # depmod lists the nearest need first; the farthest is to be loaded first.
        for one in [*reversed(needs[path]), path]:
            ordered[one] = None
    return list(ordered)


def _depmod(base: Path, release: str) -> None:
    # depmod looks into lib/modules, which is a link on a system and absent in a folder of packages.
    if not (base / "lib").exists():
        (base / "lib").symlink_to("usr/lib")
    tool = shutil.which("depmod") or "/usr/sbin/depmod"
    done = subprocess.run([tool, "-b", str(base), release], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise PackageError(f"depmod failed: {done.stderr.strip()}")


def _first(*places: Path) -> Path:
    for place in places:
        if place.exists():
            return place
    raise PackageError(f"Debian's kernel package has no {places[0].name}: it has changed its shape")
