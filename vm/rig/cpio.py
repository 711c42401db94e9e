"""Writes the archive that the Linux kernel takes as an initial root ("newc" cpio). Everything belongs to root."""

from pathlib import Path

_DIRECTORY, _FILE, _LINK, _DEVICE = 0o040000, 0o100000, 0o120000, 0o020000


class Cpio:
    """One archive in memory. Folders come by themselves."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._folders: set[str] = set()
        self._number = 0

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """One file; `path` without a leading slash."""
        self._parents(path)
        self._entry(path, _FILE | mode, content)

    def link(self, path: str, target: str) -> None:
        """One symbolic link."""
        self._parents(path)
        self._entry(path, _LINK | 0o777, target.encode())

    def device(self, path: str, major: int, minor: int) -> None:
        """One character device."""
        self._parents(path)
        self._entry(path, _DEVICE | 0o600, b"", (major, minor))

    def folder(self, path: str) -> None:
        """One folder and those it lies in."""
        self._parents(f"{path}/x")

    def copy(self, path: str, source: Path) -> None:
        """A file or a folder with all in it, with its permissions."""
        if source.is_dir():
            for inner in sorted(source.iterdir()):
                self.copy(f"{path}/{inner.name}", inner)
        else:
            self.file(path, source.read_bytes(), source.stat().st_mode & 0o777)

    def data(self) -> bytes:
        """The whole archive, of a length that lets another follow it."""
        return b"".join(self._parts) + self._packed("TRAILER!!!", 0, b"", (0, 0))

    def _parents(self, path: str) -> None:
        folders = path.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            folder = "/".join(folders[:depth])
            if folder not in self._folders:
                self._folders.add(folder)
                self._entry(folder, _DIRECTORY | 0o755, b"")

    def _entry(self, path: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._number += 1
        self._parts.append(self._packed(path, mode, content, device))

    def _packed(self, path: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
        name = path.encode() + b"\0"
        # number, mode, owner, group, links, time, size, device it lies on (2), device it is (2), length of name, sum
        fields = (self._number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields)
        return _padded(head + name) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
