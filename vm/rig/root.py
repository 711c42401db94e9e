"""The guest's root: Debian's packages for arm64 without their scripts, as one squashfs, and the boot files beside it.

No emulation: the packages are only unpacked, and the few things that their scripts would do are done here.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vm.rig import cpio, kernel, packages
from vm.rig.cache import cached, key_of
from vm.rig.paths import REPOSITORY

GUEST = Path(__file__).parent / "guest"
OWN_GROUPS = REPOSITORY / "systemd" / "pulsebox.sysusers"
# Where the Pi's own LED is, on the header's chip.
ACT_LINE = 42
PACKAGES = (
    "base-files", "base-passwd", "bash", "dash", "coreutils", "grep", "sed", "util-linux", "mount", "procps", "kmod",
    "systemd", "udev", "iproute2", "busybox-static", "v4l-utils", "gpiod", "e2fsprogs", "strace",
)
# Not needed to run, and half of the size.
UNWANTED = (
    "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/i18n", "usr/share/perl5",
    "usr/share/bash-completion", "usr/share/zsh", "usr/lib/udev/hwdb.d",
)
# Units that look for what the rig has not, or that every boot would pay for.
MASKED = (
    "systemd-hwdb-update.service", "ldconfig.service", "systemd-journal-catalog-update.service",
    "systemd-update-done.service", "systemd-sysusers.service", "systemd-firstboot.service",
    "systemd-machine-id-commit.service", "systemd-random-seed.service", "systemd-journal-flush.service",
    "systemd-update-utmp.service", "systemd-tpm2-setup.service", "systemd-tpm2-setup-early.service",
    "systemd-pcrmachine.service", "systemd-boot-random-seed.service", "systemd-remount-fs.service",
    "systemd-rfkill.service", "systemd-rfkill.socket", "systemd-backlight@.service", "systemd-pstore.service",
    "systemd-udev-load-credentials.service", "kmod-static-nodes.service", "systemd-network-generator.service",
    "systemd-binfmt.service", "systemd-sysext.socket", "systemd-creds.socket", "systemd-hostnamed.socket",
    "systemd-initctl.socket", "getty@.service", "getty-static.service", "serial-getty@.service",
    "console-getty.service", "fstrim.timer", "e2scrub_all.timer", "e2scrub_reap.service",
    "systemd-tmpfiles-clean.timer", "systemd-logind.service", "systemd-user-sessions.service",
    "systemd-ask-password-wall.path", "systemd-ask-password-console.path", "dev-hugepages.mount",
    "dev-mqueue.mount", "run-lock.mount", "sys-kernel-tracing.mount", "tmp.mount", "sys-fs-fuse-connections.mount",
    "modprobe@drm.service", "modprobe@fuse.service", "modprobe@efi_pstore.service", "modprobe@loop.service",
    "modprobe@dm_mod.service", "proc-sys-fs-binfmt_misc.automount",
)
# udev's rules that hold for every machine and for cameras; each of the others costs at every device of every boot.
UDEV_RULES = (
    "50-udev-default.rules", "60-block.rules", "60-persistent-v4l.rules", "70-camera.rules", "80-drivers.rules",
    "99-systemd.rules",
)


@dataclass(frozen=True)
class Boot:
    """What a machine boots from: files made by the rig, or any others in their place."""

    image: Path
    initrd: Path
    root: Path
    pi_device_tree: Path


def boot_files(kernel_name: str = "trixie") -> Boot:
    """Kernel, initial root, root and device tree; made when there are none of these ingredients yet."""
    archive, kernel_packages = kernel.packages_of(kernel_name)
    userland = packages.Archive("arm64", ("trixie",))
    root_packages = userland.versions(PACKAGES)
    own = [Path(__file__), Path(kernel.__file__), Path(cpio.__file__), OWN_GROUPS, *sorted(GUEST.iterdir())]
    key = key_of(kernel_packages, root_packages, *own)

    def make(place: Path) -> None:
        work = place / "work"
        archive.unpack(kernel_packages, work / "kernel")
        userland.unpack(root_packages, work / "root")
        parts = kernel.unpacked(work / "kernel")
        _finish_root(work / "root")
        kernel.copy_modules(parts, work / "root")
        shutil.copy(parts.image, place / "vmlinuz")
        device_tree(parts.pi_device_tree, place / "pi.dtb")
        modules = work / "root/usr/lib/modules" / parts.release
        (place / "initrd").write_bytes(initial_root(work / "root", GUEST / "init", modules, kernel.BOOT_MODULES))
        squash(work / "root", place / "root.squashfs")
        shutil.rmtree(work)

    what = f"a root of Debian's packages with the kernel of {kernel_name} (150 MB to fetch, about a minute)"
    place = cached(f"root-{kernel_name}", key, make, what)
    return Boot(place / "vmlinuz", place / "initrd", place / "root.squashfs", place / "pi.dtb")


def _finish_root(root: Path) -> None:
    for unwanted in UNWANTED:
        shutil.rmtree(root / unwanted, ignore_errors=True)
    for rules in (root / "usr/lib/udev/rules.d").iterdir():
        if rules.name not in UDEV_RULES:
            rules.unlink()
    etc = root / "etc"
    users(root)
    write(etc / "hostname", "guest\n")
    write(etc / "hosts", "127.0.0.1 localhost guest\n")
    write(etc / "machine-id", "7069" * 8 + "\n")
    write(etc / "resolv.conf", "nameserver 10.0.2.3\n")
    write(etc / "fstab", "")
    system = etc / "systemd/system"
    for unit in MASKED:
        link(system / unit, "/dev/null")
    link(system / "default.target", "/usr/lib/systemd/system/multi-user.target")
    write(system / "rig-shell.service", (GUEST / "rig-shell.service").read_text())
    link(system / "sysinit.target.wants/rig-shell.service", "../rig-shell.service")
    for tool in ("shell", "network"):
        write(root / "usr/lib/rig" / tool, (GUEST / tool).read_text(), 0o755)
    rule = 'ACTION=="add", SUBSYSTEM=="net", KERNEL!="lo", RUN+="/usr/lib/rig/network $name"\n'
    write(etc / "udev/rules.d/80-rig-network.rules", rule)
    # systemd takes a root whose /usr is newer than these for one that was just updated, and does all again.
    for stamp in (etc / ".updated", root / "var/.updated"):
        write(stamp, "")
    os.utime(root / "usr", (0, 0))


def users(root: Path) -> None:
    """The users and groups of Debian's base, those that systemd's and udev's rules name, and Pulsebox's own."""
    users = (root / "usr/share/base-passwd/passwd.master").read_text().splitlines()
    groups = (root / "usr/share/base-passwd/group.master").read_text().splitlines()
    names = {line.split(":")[0] for line in users}, {line.split(":")[0] for line in groups}
    number = 900
    for conf in [*sorted((root / "usr/lib/sysusers.d").glob("*.conf")), OWN_GROUPS]:
        for kind, name in re.findall(r"^([gu])!?\s+([a-z_][-a-z0-9_]*)", conf.read_text(), re.MULTILINE):
            number += 1
            if name not in names[1]:
                names[1].add(name)
                groups.append(f"{name}:x:{number}:")
            if kind == "u" and name not in names[0]:
                names[0].add(name)
                users.append(f"{name}:x:{number}:{number}::/:/usr/sbin/nologin")
    write(root / "etc/passwd", "\n".join(users).replace("root:*:", "root:x:") + "\n")
    write(root / "etc/group", "\n".join(groups).replace(":*:", ":x:") + "\n")
    write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


def device_tree(source: Path, target: Path) -> None:
    """The Pi 3's, changed where QEMU's board is not the real one.

    The Bluetooth chip goes, since it occupies the first serial line, which is the rig's shell. ACT hangs on a chip that
    is asked through the firmware and that QEMU lacks: here it is on line 42 of the header's chip, as on a Pi 4.
    """
    shutil.copy(source, target)
    chip = run(["fdtget", str(target), "/soc/gpio@7e200000", "phandle"], "device-tree-compiler").strip()
    run(["fdtput", "-t", "s", str(target), "/soc/serial@7e201000/bluetooth", "status", "disabled"])
    run(["fdtput", "-t", "u", str(target), "/leds/led-act", "gpios", chip, str(ACT_LINE), "0"])


def initial_root(root: Path, init: Path, modules: Path, wanted: tuple[str, ...]) -> bytes:
    """The kernel's first root: this root's busybox, `init`, and the `wanted` ones of a kernel's `modules`."""
    archive = cpio.Cpio()
    for folder in ("bin", "dev", "proc", "sys", "root"):
        archive.folder(folder)
    archive.device("dev/console", 5, 1)
    archive.file("bin/busybox", (root / "usr/bin/busybox").read_bytes(), 0o755)
    archive.file("init", init.read_bytes(), 0o755)
    order = kernel.closure(modules, wanted)
    for path in order:
        archive.file(f"modules/{Path(path).name}", (modules / path).read_bytes())
    archive.file("modules/order", "".join(f"{Path(path).name}\n" for path in order).encode())
    return archive.data()


def squash(root: Path, image: Path) -> None:
    """The root as the image of a disk."""
    command = ["mksquashfs", str(root), str(image), "-all-root", "-comp", "zstd", "-Xcompression-level", "6"]
    run([*command, "-no-progress", "-quiet"], "squashfs-tools")
    # An SD card's size is a power of two, or QEMU refuses it. The rest is a hole in the file.
    size = 1 << (image.stat().st_size - 1).bit_length()
    os.truncate(image, size)


def run(command: list[str], package: str = "") -> str:
    """A tool of this system, which `package` brings; its output."""
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    except FileNotFoundError:
        raise packages.PackageError(f"{command[0]} is not there: apt-get install {package}")
    except subprocess.CalledProcessError as error:
        raise packages.PackageError(f"{command[0]} failed: {error.stderr.strip()}")


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file, with the folders it lies in; what was there before goes, link or not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def link(path: Path, target: str) -> None:
    """A symbolic link, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
