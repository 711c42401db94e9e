"""What Buildroot would build, made of Debian's packages for arm64: the root before anything of ours is in it, and kernels.

Only unpacked: no script of a package is run, nothing is emulated. vm/image/differences.md lists what differs from
Buildroot's root; each list here is a row there.
"""

import shutil
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from vm.rig import cpio, kernel, packages
from vm.rig.cache import cached, key_of
from vm.rig.paths import REPOSITORY
from vm.rig.root import UNWANTED, device_tree, initial_root, link, users, write

FILES = REPOSITORY / "vm" / "image"

# As Buildroot's configuration names them (buildroot/configs/root.part), by Debian's names.
PACKAGES = (
    "base-files", "base-passwd", "systemd", "udev", "systemd-resolved", "systemd-timesyncd", "libnss-resolve",
    "libnss-myhostname", "dbus", "kmod", "busybox-static", "mount", "util-linux", "util-linux-extra", "fdisk",
    "e2fsprogs", "dosfstools", "rauc", "rauc-service", "libubootenv-tool", "wpasupplicant", "iw", "wireless-regdb",
    "dropbear-bin", "ca-certificates",
    # not of the image: for busybox' own what `_commands` says, and the rig's shell
    "coreutils", "dash", "bash-static",
)  # fmt: skip

# What these packages draw in and Buildroot's have not.
NOT_TAKEN = (
    "adduser", "debconf", "debianutils", "init-system-helpers", "login.defs", "logsave", "mawk", "openssl",
    "openssl-provider-legacy", "passwd", "readline-common", "dbus-session-bus-common", "libpam-modules-bin",
)  # fmt: skip

# Of util-linux: Buildroot's "basic set", and what systemd draws in. Of others: what their Buildroot packages install.
UTIL_LINUX = frozenset(
    "agetty blkdiscard blkid blockdev chcpu choom chrt dmesg fdisk fincore findfs findmnt flock fsck fsfreeze fstrim"
    " getopt ipcmk ipcrm ipcs isosize ldattach lsblk lscpu lsipc lslocks lsns mcookie mkfs mkswap more mount mountpoint"
    " namei prlimit readprofile rev rtcwake setarch linux32 linux64 setsid sfdisk sulogin swaplabel swapoff swapon"
    " umount whereis wipefs losetup hwclock partx".split()
)

# Parts of systemd that Buildroot's configuration leaves out, and what Debian adds of its own.
NOT_IN_BUILDROOT = (
    "systemd-backlight*", "systemd-battery-check*", "systemd-binfmt*", "proc-sys-fs-binfmt_misc.*", "systemd-bsod*",
    "systemd-confext*", "systemd-creds*", "systemd-firstboot*", "systemd-hibernate*", "systemd-hybrid-sleep*",
    "systemd-hwdb-update*", "systemd-initctl*", "systemd-journal-catalog-update*", "systemd-localed*",
    "systemd-logind*", "systemd-pcr*", "systemd-quotacheck*", "systemd-random-seed*", "systemd-rfkill*",
    "systemd-storagetm*", "systemd-suspend*", "systemd-sysext*", "systemd-sysusers*", "systemd-timedated*",
    "systemd-tpm2*", "ldconfig.service", "dbus-org.freedesktop.locale1.service", "dbus-org.freedesktop.login1.service",
    "dbus-org.freedesktop.timedate1.service", "user@*", "user-runtime-dir@*", "capsule*", "quotaon*",
    "e2scrub*", "cryptdisks*", "hwclock.service", "rc-local*", "x11-common.service", "pam_namespace.service",
    "runlevel*", "systemd-networkd-persistent-storage.service", "console-getty.service", "container-getty@.service",
    "getty*", "serial-getty@.service", "autovt@.service", "initrd*", "systemd-volatile-root*", "fstrim.*",
)  # fmt: skip
GENERATORS_NOT_IN_BUILDROOT = (
    "systemd-getty-generator", "systemd-hibernate-resume-generator", "systemd-rc-local-generator",
    "systemd-ssh-generator", "systemd-sysv-generator", "systemd-tpm2-generator",
)  # fmt: skip

# udev's rules for what this appliance never has: each costs at every device of every boot.
UDEV_RULES_NOT_TAKEN = (
    "60-autosuspend", "60-cdrom_id", "60-dmi-id", "60-drm", "60-evdev", "60-fido-id", "60-infiniband", "60-input-id",
    "60-persistent-alsa", "60-persistent-input", "60-persistent-storage-mtd", "60-persistent-storage-tape", "60-sensor",
    "64-btrfs", "70-joystick", "70-memory", "70-mouse", "70-power-switch", "70-touchpad", "70-uaccess", "71-seat",
    "73-seat-late", "73-special-net-names", "75-probe_mtd", "78-sound-card", "80-debian-compat", "81-net-dhcp",
    "90-iocost", "96-e2scrub",
)  # fmt: skip

# Built into Buildroot's kernel, and not loaded by Debian's when they are needed.
BUILT_IN = ("loop", "dm-mod", "dm-verity")

# The kernel's drivers that Buildroot's kernel has built in and that are needed to find the root.
BOOT_MODULES = ("sdhci-pci", "mmc_block", "bcm2835", "squashfs")
MODULES = (
    "virtio_pci", "virtio_mmio", "virtio_console", "virtio_blk", "virtio_net", "gpio_pl061", "rtc-pl031", "sha256_generic",
    "crc32c_generic", "nls_utf8", "ramoops", "mac80211_hwsim", "xhci-pci", "usb-storage", "uas", "sd_mod",
    "sdhci-iproc", "smsc95xx", "ip_tables", "nf_tables", "overlay", "autofs4",
    # What mac80211 encrypts with.
    "ccm", "gcm", "cmac", "ctr",
)  # fmt: skip


@dataclass(frozen=True)
class Base:
    """`root`: the unpacked root, without kernel and without anything of ours. `kernel`: Image and initrd for /boot.
    `modules`: of that kernel, for /usr/lib/modules. `device_tree`: the emulated Pi's."""

    root: Path
    kernel: Path
    initrd: Path
    modules: Path
    device_tree: Path


def base() -> Base:
    """The parts; made when there are none of these ingredients yet."""
    userland = packages.Archive("arm64", ("trixie",))
    wanted = [one for one in userland.versions(PACKAGES) if one.name not in NOT_TAKEN]
    archive, kernel_packages = kernel.packages_of("trixie")
    own = [Path(__file__), Path(kernel.__file__), Path(cpio.__file__), FILES / "init", FILES / "applets.txt"]
    own += [Path(__file__).parent / "root.py", FILES / "dropbear.service"]

    def make(place: Path) -> None:
        archive.unpack(kernel_packages, place / "packages")
        parts = kernel.unpacked(place / "packages")
        userland.unpack(wanted, place / "root")
        _as_buildroot(place / "root")
        kernel.copy_modules(parts, place / "modules", (*kernel.MODULES, *BOOT_MODULES, *MODULES))
        shutil.copy(parts.image, place / "Image")
        device_tree(parts.pi_device_tree, place / "pi.dtb")
        index = place / "modules/usr/lib/modules" / parts.release
        (place / "initrd").write_bytes(initial_root(place / "root", FILES / "init", index, BOOT_MODULES))
        shutil.rmtree(place / "packages")

    what = "a root of Debian's packages in Buildroot's shape (150 MB to fetch, about a minute)"
    place = cached("debian", key_of(wanted, kernel_packages, *own), make, what)
    modules = place / "modules/usr/lib/modules"
    return Base(place / "root", place / "Image", place / "initrd", modules, place / "pi.dtb")


def _as_buildroot(root: Path) -> None:
    for unwanted in (*UNWANTED, "usr/share/pam-configs", "etc/rc0.d", "etc/init.d", "usr/lib/systemd/user"):
        shutil.rmtree(root / unwanted, ignore_errors=True)
    _rig_tools(root)
    _commands(root)
    units = root / "usr/lib/systemd/system"
    for place in (*units.glob("*.wants"), units):
        for unit in list(place.iterdir()):
            # Not by glob, which does not find a link that leads nowhere.
            if any(fnmatch(unit.name, pattern) for pattern in NOT_IN_BUILDROOT):
                _remove(unit)
    for rules in UDEV_RULES_NOT_TAKEN:
        _remove(root / "usr/lib/udev/rules.d" / f"{rules}.rules")
    for generator in GENERATORS_NOT_IN_BUILDROOT:
        _remove(root / "usr/lib/systemd/system-generators" / generator)
    for folder in ("usr/lib/systemd/catalog", "etc/systemd/system"):
        shutil.rmtree(root / folder, ignore_errors=True)
    _settings(root)
    # Nothing in the image is setuid, and U-Boot's and systemd's links to the first process are Buildroot's.
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o6000:
            path.chmod(path.stat().st_mode & 0o777)
    link(root / "usr/sbin/init", "../lib/systemd/systemd")
    for name in ("halt", "poweroff", "reboot", "shutdown"):
        link(root / "usr/sbin" / name, "../bin/systemctl")


def _rig_tools(root: Path) -> None:
    """Tools of the rig's shell, in a place of their own: static, so that they run in any root."""
    rig = root / "usr/lib/rig"
    rig.mkdir(parents=True)
    shutil.copy(root / "usr/bin/busybox", rig / "busybox")
    (root / "usr/bin/bash-static").rename(rig / "bash")


def _commands(root: Path) -> None:
    """Those of util-linux that Buildroot's has; of coreutils `sync` and `timeout`; of busybox those that Buildroot's has.

    And dash as the shell: Debian's busybox runs its own `mount` where a script of its shell, or its `timeout`, says
    `mount`, whatever PATH says. Buildroot's runs util-linux'.
    """
    kept = {name: (root / "usr/bin" / name).read_bytes() for name in ("sync", "timeout")}
    owned = _files_of_coreutils(root)
    for path in [*(root / "usr/bin").iterdir(), *(root / "usr/sbin").iterdir()]:
        if path.name in owned or (path.name in _OTHER_UTIL_LINUX and path.name not in UTIL_LINUX):
            path.unlink()
    for name, program in {**kept, "fsync": kept["sync"]}.items():
        (root / "usr/bin" / name).write_bytes(program)
        (root / "usr/bin" / name).chmod(0o755)
    lines = (FILES / "applets.txt").read_text().splitlines()
    for name in " ".join(line for line in lines if not line.startswith("#")).split():
        if not any((root / place / name).exists() for place in ("usr/bin", "usr/sbin")):
            link(root / "usr/bin" / name, "busybox")


# Commands of Debian's util-linux, mount and fdisk packages that Buildroot's basic set lacks.
_OTHER_UTIL_LINUX = frozenset(
    "addpart delpart resizepart enosys exch fadvise fallocate hardlink ionice lsfd lsirq lslogins lsmem lastlog2"
    " nsenter pipesz rename.ul run-parts savelog script scriptlive scriptreplay setpriv setterm su taskset uclampset"
    " unshare utmpdump wdctl waitpid bits chmem coresched ctrlaltdel fsck.cramfs fsck.minix mkfs.bfs mkfs.cramfs mkfs.minix"
    " pivot_root runuser switch_root zramctl cfdisk blkzone blkpr chfn chsh getty".split()
)


def _files_of_coreutils(root: Path) -> set[str]:
    # The one package whose commands would hide what busybox lacks. By name: an unpacked package leaves no list of files.
    return set(
        "[ arch b2sum base32 base64 basename basenc cat chcon chgrp chmod chown chroot cksum comm cp csplit cut date dd df"
        " dir dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln"
        " logname ls md5sum md5sum.textutils mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk"
        " pinky pr printenv printf ptx pwd readlink realpath rm rmdir runcon seq sha1sum sha224sum sha256sum sha384sum"
        " sha512sum shred shuf sleep sort split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate"
        " tsort tty uname unexpand uniq unlink uptime users vdir wc who whoami yes".split()
    )


def _settings(root: Path) -> None:
    """What Buildroot's skeleton and its packages' scripts leave in /etc."""
    etc = root / "etc"
    users(root)
    # Buildroot's; dropbear lets nobody in whose shell is not there.
    passwd = (etc / "passwd").read_text()
    write(etc / "passwd", passwd.replace("root:/root:/bin/bash", "root:/root:/bin/sh"))
    # wpa_supplicant's and D-Bus' settings name it.
    with (etc / "group").open("a") as groups:
        groups.write("netdev:x:82:\n")
    write(etc / "nsswitch.conf", _NSSWITCH)
    write(etc / "hostname", "pulsebox\n")
    write(etc / "hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tpulsebox\n")
    write(etc / "fstab", "/dev/root / auto ro 0 1\n")
    write(etc / "machine-id", "")
    write(etc / "shadow", "root:*:::::::\n", 0o600)
    write(etc / "issue", "Pulsebox\n")
    link(etc / "mtab", "../proc/self/mounts")
    link(etc / "resolv.conf", "../run/systemd/resolve/resolv.conf")
    link(etc / "dropbear", "/var/run/dropbear")
    for name in ("os-release", "debian_version", "ca-certificates.conf"):
        (etc / name).unlink(missing_ok=True)
    (root / "usr/lib/os-release").unlink()
    link(root / "usr/lib/systemd/system/default.target", "multi-user.target")
    write(root / "usr/lib/systemd/system/dropbear.service", (FILES / "dropbear.service").read_text())
    write(root / "usr/lib/systemd/system-preset/50-wpa_supplicant.preset", _NOT_BY_ITSELF)
    _certificates(root)
    # Buildroot's /var, and tmpfiles of what Debian alone has.
    shutil.rmtree(root / "var")
    for folder in ("cache", "lib", "log", "spool", "tmp"):
        (root / "var" / folder).mkdir(parents=True)
    link(root / "var/run", "../run")
    link(root / "var/lock", "../run/lock")
    for name in ("20-systemd-shell-extra", "20-systemd-ssh-generator", "20-systemd-stub", "debian", "passwd", "x11", "home"):
        _remove(root / "usr/lib/tmpfiles.d" / f"{name}.conf")
    write(root / "usr/lib/modules-load.d/built-in.conf", "\n".join(BUILT_IN) + "\n")
    write(root / "usr/lib/tmpfiles.d/legacy.conf", "d /run/lock 0755 root root -\nL /var/lock - - - - ../run/lock\n")


_NSSWITCH = """passwd: files systemd
group: files [SUCCESS=merge] systemd
shadow: files systemd
hosts: resolve [!UNAVAIL=return] files myhostname dns
networks: files dns
protocols: files
services: files
"""
_NOT_BY_ITSELF = "".join(f"disable wpa_supplicant{kind}@.service\n" for kind in ("", "-nl80211", "-wired"))


def _certificates(root: Path) -> None:
    """One file of all authorities, as the package's script would make it."""
    found = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    write(root / "etc/ssl/certs/ca-certificates.crt", "".join(path.read_text() for path in found))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
