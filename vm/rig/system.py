"""The appliance's system in the rig: its root, the card's image and update bundles.

    image()                                                  the card's image, pulsebox.img
    bundle(version="9.9.9", files={"/etc/x": b"…"})          a signed .raucb whose root is ours with these changes

Debian's packages stand in for what Buildroot compiles (debian.py); all that is ours is laid over them by the scripts that
Buildroot runs, unchanged. Or a true Buildroot image: PULSEBOX_VM_IMAGE=path. vm/image/differences.md has all that
differs.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from vm.rig import debian, partitions
from vm.rig.cache import cached, key_of
from vm.rig.packages import PackageError
from vm.rig.paths import HOME, REPOSITORY
from vm.rig.root import link, run, write

BOARD = "qemu"
TREE = REPOSITORY / "buildroot"
_BOARD_FILES = TREE / "board" / "pulsebox"
_FILES = debian.FILES
_GUEST = Path(__file__).parent / "guest"
# Bundles that the cache keeps: as many as the tests have.
BUNDLES_KEPT = 16
# What the Pi's firmware would hand on: p1's cmdline.txt, and Debian's kernel not to keep an account of every unit.
_FIRMWARE = "fdt get value fwargs /chosen bootargs\n"
_FIRMWARE_TOO = _FIRMWARE + 'setenv fwargs "${fwargs} quiet audit=0"\n'
_LOADS_KERNEL = (
    "load ${devtype} ${devnum}:${part} ${kernel_addr_r} boot/Image && booti ${kernel_addr_r} - ${fdt_addr}\n"
)
_LOADS_INITRD_TOO = (
    "load ${devtype} ${devnum}:${part} ${kernel_addr_r} boot/Image && "
    "load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} boot/initrd && "
    "booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}\n"
)


def binary() -> Path:
    """The program that goes into the image."""
    path = Path(os.environ.get("PULSEBOX_VM_BINARY", REPOSITORY / "target" / "pulsebox-aarch64-light"))
    if not path.exists():
        raise PackageError(f"no {path}: scripts/need binary && scripts/build-binary --light")
    return path


def given_image() -> Path | None:
    """A true Buildroot image to test in place of the rig's, if one is named."""
    given = os.environ.get("PULSEBOX_VM_IMAGE")
    return Path(given) if given else None


def image() -> Path:
    """The card's image under test; made when there is none of these ingredients yet."""
    tree = root_tree()

    def make(place: Path) -> None:
        given = given_image()
        if given is None:
            _packed(tree, place, _version(), BOARD, "ours")
        else:
            shutil.copy(given, place / "pulsebox.img")
            _squash(tree / "root", place / "rootfs.squashfs")
            with (place / "pulsebox.img").open("r+b") as card:
                start = partitions.of(place / "pulsebox.img")[2].start
                card.seek(start)
                card.write((place / "rootfs.squashfs").read_bytes())

    kind = "image" if given_image() is None else "given-image"
    return cached(kind, key_of(tree.name, *_own()), make, "the card's image") / "pulsebox.img"


def bundle(
    version: str,
    files: Mapping[str, bytes] | None = None,
    remove: Sequence[str] = (),
    *,
    key: str = "ours",
    board: str = f"pulsebox-{BOARD}",
) -> Path:
    """A signed update bundle: the root under test with these changes.

    `files` maps paths in the root to bytes (executable where they begin as a program or script does); bytes that begin
    with `link:` make a symbolic link to what follows. `remove` takes paths away. `key="other"` is a key the box does not
    trust; `board` is what the bundle says it is for.
    """
    tree = root_tree()
    changes = dict(files or {})

    def make(place: Path) -> None:
        _copy_tree(tree, place)
        root = place / "root"
        for path in remove:
            gone = root / path.lstrip("/")
            if gone.is_dir() and not gone.is_symlink():
                shutil.rmtree(gone)
            else:
                gone.unlink()
        for path, content in changes.items():
            _put(root / path.lstrip("/"), content)
        release = root / "usr/lib/os-release"
        lines = [line for line in release.read_text().splitlines() if not line.startswith(("VERSION_ID", "PRETTY"))]
        write(release, "\n".join([*lines, f"VERSION_ID={version}", f'PRETTY_NAME="Pulsebox {version}"']) + "\n")
        _packed(place, place, version, board.removeprefix("pulsebox-"), key)
        for name in ("root", "images", "build", "rootfs.squashfs", "pulsebox.img"):
            _gone(place / name)

    made_of = [tree.name, version, key, board, *remove, *(part for pair in sorted(changes.items()) for part in pair)]
    what = f"an update bundle, {version}"
    return cached("bundle", key_of(*made_of, *_own()), make, what, keep=BUNDLES_KEPT) / "pulsebox.raucb"


def sizes() -> tuple[int, int]:
    """Bytes of the packed root and of a bundle that brings it: Buildroot's own where a true image is given."""
    given = given_image()
    if given is None:
        made = image()
        return made.with_name("rootfs.squashfs").stat().st_size, made.with_name("pulsebox.raucb").stat().st_size
    with given.open("rb") as card:
        # bytes_used of the superblock: fs/squashfs/squashfs_fs.h.
        card.seek(partitions.of(given)[2].start + 40)
        root = int.from_bytes(card.read(8), "little")
    return root, given.with_name("pulsebox.raucb").stat().st_size


def root_tree() -> Path:
    """A folder with `root`, complete but for being packed, and `images/p1`, what goes onto the first partition."""
    given, base = given_image(), debian.base()
    if given is not None:
        tools = base.root / "usr/lib/rig"
        known = given.stat()
        key = key_of(base.root.parent.name, f"{given.resolve()} {known.st_size} {known.st_mtime_ns}", *_own())
        return cached("root-given", key, lambda new: _of_image(given, tools, new), "the given image's root")
    folders = ("overlay", "systemd", "buildroot/board", "docs")
    ours = [*(file for folder in folders for file in _files_of(folder)), binary()]
    names = [str(path) for path in ours] + [oct(path.stat().st_mode) for path in ours]

    def make(place: Path) -> None:
        _as_buildroot_does(base, place)

    return cached("root-ours", key_of(base.root.parent.name, names, *ours, *_own()), make, "the appliance's root")


def certificate(key: str) -> tuple[Path, Path]:
    """Certificate and key by which bundles are signed: `ours`, which the image trusts, or `other`."""
    if key == "ours" and "PULSEBOX_SIGNING_CERT" in os.environ:
        return Path(os.environ["PULSEBOX_SIGNING_CERT"]), Path(os.environ["PULSEBOX_SIGNING_KEY"])
    keys = HOME / "keys"
    if not (keys / f"{key}.cert.pem").exists():
        run([str(REPOSITORY / "scripts" / "make-signing-key"), str(keys), key])
    return keys / f"{key}.cert.pem", keys / f"{key}.key.pem"


def _as_buildroot_does(base: debian.Base, place: Path) -> None:
    """Everything between Buildroot's last package and the file system's image, in Buildroot's order."""
    root, images = place / "root", place / "images"
    images.mkdir()
    run(["cp", "-a", str(base.root), str(root)])
    write(root / "usr/bin/pulsebox", "", 0o755)
    shutil.copyfile(binary(), root / "usr/bin/pulsebox")
    _kernel(base, root)
    _overlay(root)
    _scripts("post-build.sh", root, images, place / "build", _version(), BOARD, "ours")
    _boot_script(images, root)
    _users(root)
    for name in ("home", "srv", "media", "mnt", "opt"):
        (root / name).mkdir(exist_ok=True)
    run(["systemctl", f"--root={root}", "preset-all"], "systemd")
    _var_factory(root)
    _add_rig(root)
    shutil.rmtree(place / "build", ignore_errors=True)


def _of_image(given: Path, tools: Path, place: Path) -> None:
    """A true image's root, with the rig's shell in it and a key that the rig has."""
    start, length = partitions.of(given)[2].start, partitions.of(given)[2].length
    squashed = place / "rootfs.squashfs"
    run(["dd", f"if={given}", f"of={squashed}", "bs=1M", "iflag=skip_bytes,count_bytes", f"skip={start}", f"count={length}"])
    run(["unsquashfs", "-no-progress", "-d", str(place / "root"), str(squashed)], "squashfs-tools")
    squashed.unlink()
    shutil.copytree(tools, place / "root/usr/lib/rig", dirs_exist_ok=True)
    _access_point(tools.parents[2], place / "root/usr/lib/rig/ap")
    _add_rig(place / "root")
    shutil.copy(certificate("ours")[0], place / "root/etc/rauc/keyring.pem")
    (place / "images").mkdir()
    shutil.copytree(place / "root/usr/share/pulsebox/firmware", place / "images/p1")


def _access_point(base: Path, place: Path) -> None:
    """Debian's wpa_supplicant with its libraries: the router of the tests. The image's makes no access point."""
    place.mkdir()
    wanted = ["wpa_supplicant"]
    for name in wanted:
        places = [base / "usr/sbin" / name, base / "usr/lib/aarch64-linux-gnu" / name]
        found = next((path for path in places if path.exists()), None)
        if found is None:
            raise PackageError(f"the router of the tests needs {name}, which is not in {base}: name its package in debian.py")
        shutil.copy(found, place / name)
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", run(["readelf", "--dynamic", str(found)], "binutils"))
        wanted += [one for one in needed if one not in wanted]


def _kernel(base: debian.Base, root: Path) -> None:
    (root / "boot").mkdir(exist_ok=True)
    shutil.copy(base.kernel, root / "boot/Image")
    shutil.copy(base.initrd, root / "boot/initrd")
    run(["cp", "-a", str(base.modules), str(root / "usr/lib")])


def _overlay(root: Path) -> None:
    """As Buildroot's rsync does it: links to folders are kept, permissions come from whether a file may be run."""
    for source in sorted((REPOSITORY / "overlay").rglob("*")):
        target = root / source.relative_to(REPOSITORY / "overlay")
        if source.is_symlink():
            link(target, os.readlink(source))
        elif source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _boot_script(images: Path, root: Path) -> None:
    """boot.scr with two lines changed: Debian's kernel needs an initial root, and virt has no firmware with arguments."""
    script = (_BOARD_FILES / "boot.cmd").read_text()
    for line, becomes in ((_LOADS_KERNEL, _LOADS_INITRD_TOO), (_FIRMWARE, _FIRMWARE_TOO)):
        if script.count(line) != 1:
            raise PackageError(f"boot.cmd has another line than system.py knows; change both: {line}")
        script = script.replace(line, becomes)
    changed = images / "boot.cmd"
    changed.write_text(script)
    for place in (images / "p1", root / "usr/share/pulsebox/firmware"):
        command = ["mkimage", "-A", "arm64", "-T", "script", "-C", "none", "-n", "Pulsebox", "-d", str(changed)]
        run([*command, str(place / "boot.scr")], "u-boot-tools")


def _users(root: Path) -> None:
    """users.txt, as Buildroot's mkusers reads it."""
    groups = (root / "etc/group").read_text().splitlines()
    users = (root / "etc/passwd").read_text().splitlines()
    for line in (_BOARD_FILES / "users.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, uid, group, gid, _, home, shell, more, *comment = line.split()
        home, shell = ("/" if home == "-" else home), ("/bin/false" if shell == "-" else shell)
        users.append(f"{name}:x:{uid}:{gid}:{' '.join(comment)}:{home}:{shell}")
        groups.append(f"{group}:x:{gid}:")
        for one in more.split(",") if more != "-" else ():
            at = next((at for at, known in enumerate(groups) if known.split(":")[0] == one), None)
            if at is None:
                groups.append(f"{one}:x:{800 + len(groups)}:{name}")
            else:
                groups[at] += name if groups[at].endswith(":") else f",{name}"
    write(root / "etc/group", "\n".join(groups) + "\n")
    write(root / "etc/passwd", "\n".join(users) + "\n")


def _var_factory(root: Path) -> None:
    """/var is empty in the image and filled at boot from the factory: package/skeleton-init-systemd."""
    factory = root / "usr/share/factory"
    factory.mkdir(parents=True, exist_ok=True)
    (root / "var").rename(factory / "var")
    (root / "var").mkdir()
    lines = []
    for pattern in ("*", "lib/*", "lib/systemd/*"):
        for path in sorted((factory / "var").glob(pattern)):
            name = "/" + str(path.relative_to(factory))
            if path.is_symlink():
                lines.append(f"L+! {name} - - - - ../usr/share/factory/{name}\n")
            else:
                lines.append(f"C! {name} - - - -\n")
    write(root / "usr/lib/tmpfiles.d/00-buildroot-var.conf", "".join(lines))
    write(root / "usr/lib/systemd/system/var.mount", _VAR_MOUNT)


_VAR_MOUNT = """[Unit]
Description=Buildroot /var tmpfs
DefaultDependencies=no
Conflicts=umount.target
Before=local-fs.target umount.target
After=swap.target

[Mount]
What=tmpfs
Where=/var
Type=tmpfs
Options=nosuid,nodev,size=50%%,nr_inodes=1m
"""


def _add_rig(root: Path) -> None:
    """What the rig needs inside, in any root: a shell on a line of its own, and the journal on the console."""
    units = root / "usr/lib/systemd/system"
    write(root / "usr/lib/rig/shell", (_GUEST / "shell").read_text(), 0o755)
    write(units / "rig-shell.service", (_FILES / "rig-shell.service").read_text())
    link(units / "sysinit.target.wants/rig-shell.service", "../rig-shell.service")
    write(root / "usr/lib/systemd/journald.conf.d/90-rig.conf", (_FILES / "rig-journal.conf").read_text())


def _packed(tree: Path, place: Path, version: str, board: str, key: str) -> None:
    """The root's image, and by post-image.sh the card's and the bundle; both end in `place`."""
    images = place / "images"
    if tree != place:
        shutil.copytree(tree / "images", images)
    _squash(tree / "root", images / "rootfs.squashfs")
    _scripts("post-image.sh", images, images, place / "build", version, board, key)
    for name in ("pulsebox.img", "pulsebox.raucb", "rootfs.squashfs"):
        (images / name).rename(place / name)
    _gone(images)
    _gone(place / "build")


def _squash(root: Path, squashed: Path) -> None:
    # The least work for who compresses: the guest unpacks each level as quickly.
    command = ["mksquashfs", str(root), str(squashed), "-comp", "zstd", "-Xcompression-level", "1"]
    # A given image has its owners and permissions already.
    if given_image() is None:
        command += ["-all-root", *(part for line in _permissions(root) for part in ("-p", line))]
    run([*command, "-no-progress", "-quiet", "-noappend"], "squashfs-tools")


def _permissions(root: Path) -> list[str]:
    """permissions.txt, as mksquashfs takes it. Files and folders only: there are no devices in it."""
    found = []
    for line in (_BOARD_FILES / "permissions.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            path, kind, mode, uid, gid, *_ = line.split()
            if kind == "d" and not (root / path.lstrip("/")).exists():
                found.append(f"{path.lstrip('/')} d {mode} {uid} {gid}")
            else:
                found.append(f"{path.lstrip('/')} m {mode} {uid} {gid}")
    return found


def _scripts(name: str, first: Path, images: Path, build: Path, version: str, board: str, key: str) -> None:
    """Runs one of Buildroot's two scripts of ours, with what Buildroot gives them."""
    signed_by, signing_key = certificate(key)
    build.mkdir(exist_ok=True)
    environment = os.environ | {
        "TARGET_DIR": str(first),
        "BINARIES_DIR": str(images),
        "BUILD_DIR": str(build),
        "BR2_EXTERNAL_PULSEBOX_PATH": str(TREE),
        "PULSEBOX_IMAGE_VERSION": version,
        "PULSEBOX_KEYRING": str(certificate("ours")[0]),
        "PULSEBOX_SIGNING_CERT": str(signed_by),
        "PULSEBOX_SIGNING_KEY": str(signing_key),
    }
    command = [str(_BOARD_FILES / name), str(first), board]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise PackageError(f"{name} failed (scripts/need test-vm?):\n{last}")


def _put(path: Path, content: bytes) -> None:
    if content.startswith(b"link:"):
        link(path, content.removeprefix(b"link:").decode())
        return
    write(path, "", 0o755 if content.startswith((b"#!", b"\x7fELF")) else 0o644)
    path.write_bytes(content)


def _copy_tree(tree: Path, place: Path) -> None:
    for name in ("root", "images"):
        run(["cp", "-a", str(tree / name), str(place / name)])


def _gone(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _version() -> str:
    # Cargo.toml's.
    lines = (REPOSITORY / "Cargo.toml").read_text().split("[workspace.package]")[1].splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("version = "))


def _files_of(folder: str) -> list[Path]:
    return sorted(path for path in (REPOSITORY / folder).rglob("*") if path.is_file())


def _own() -> list[Path]:
    """Whose change makes all anew: the rig's own part, and what post-image.sh reads of the program."""
    here = Path(__file__).parent
    schema = REPOSITORY / "firmware" / "pulsebox" / "src" / "history" / "schema.rs"
    return [Path(__file__), here / "partitions.py", _GUEST / "shell", _FILES / "rig-shell.service", _FILES / "rig-journal.conf", schema]
