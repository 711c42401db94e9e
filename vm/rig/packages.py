"""Debian packages of another suite and architecture, by name, without touching the system.

apt-get does the work, with folders of its own in `target/qemu/apt` and a system that has nothing installed. The archive
is the one that this system itself uses. Root is not needed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

from vm.rig.cache import one_at_a_time
from vm.rig.paths import HOME, say

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# How long a resolved list of versions is good, in seconds: beyond it, the archive is asked for newer ones.
FRESH = 30 * 24 * 3600
FETCH_DEADLINE = 1800


class PackageError(Exception):
    """What could not be had from Debian, and what to do."""


@dataclass(frozen=True)
class Package:
    """One package in one version, as apt would install it."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}={self.version}"


def debian_archive() -> str:
    """The URI of the Debian archive in use here, as apt knows it."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise PackageError(f"apt-get does not say where Debian is ({error}): the rig needs Debian or Ubuntu's apt")
    for line in told.splitlines():
        if re.search(r"/debian/?$", line):
            return line
    raise PackageError("apt knows no Debian archive: look at /etc/apt/sources.list.d")


def _alone(method):
    """apt refuses a folder in which another run of this working copy is at work, and does not wait for it."""

    @wraps(method)
    def waits(self, *arguments):
        with one_at_a_time(f"apt-{self.home.name}"):
            return method(self, *arguments)

    return waits


class Archive:
    """Debian's archive for one architecture; the first of `suites` is the ordinary one, later ones by request."""

    def __init__(self, architecture: str, suites: tuple[str, ...]) -> None:
        self.architecture = architecture
        self.suites = suites
        self.home = HOME / "apt" / f"{architecture}-{'-'.join(suites)}"

    @_alone
    def versions(self, names: tuple[str, ...]) -> list[Package]:
        """What `names` and all they need are today, sorted. Asked of the archive once a month, else remembered."""
        digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]
        remembered = self.home / f"versions-{digest}"
        if remembered.exists() and time.time() - remembered.stat().st_mtime < FRESH:
            return _parse_versions(remembered.read_text())
        try:
            self._update()
            told = self._apt("install", "--simulate", "--no-install-recommends", *names)
        except PackageError:
            if not remembered.exists():
                raise
            say("Debian's archive does not answer: going on with the packages of last month")
            return _parse_versions(remembered.read_text())
        found = re.findall(r"^Inst (\S+) \((\S+) ", told, re.MULTILINE)
        remembered.write_text("".join(f"{name}={version}\n" for name, version in sorted(found)))
        return _parse_versions(remembered.read_text())

    @_alone
    def unpack(self, packages: list[Package], into: Path) -> None:
        """Fetches exactly these and unpacks their files into a folder. No script of theirs is run."""
        fetched = self.home / "fetched"
        shutil.rmtree(fetched, ignore_errors=True)
        fetched.mkdir(parents=True)
        self._update_if_absent()
        try:
            self._apt("download", *map(str, packages), folder=fetched)
        except PackageError:
            # Debian drops a version when a newer one comes: the remembered ones are then to be asked for again.
            for stale in self.home.glob("versions-*"):
                stale.unlink()
            raise
        into.mkdir(parents=True, exist_ok=True)
        # First the one that brings the links /bin -> usr/bin, which others' files are to go through.
        debs = sorted(fetched.glob("*.deb"), key=lambda deb: (not deb.name.startswith("base-files_"), deb.name))
        for deb in debs:
            _run(["dpkg-deb", "--extract", str(deb), str(into)])
        shutil.rmtree(fetched)

    def _update_if_absent(self) -> None:
        if not any((self.home / "var/lib/apt/lists").glob("*_Packages*")):
            self._update()

    def _update(self) -> None:
        for folder in ("apt.conf.d", "preferences.d", "sources.list.d", "trusted.gpg.d"):
            (self.home / "etc/apt" / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        source = debian_archive()
        lines = [self._line(source, suite) for suite in self.suites]
        (self.home / "etc/apt/sources.list.d/rig.list").write_text("".join(lines))
        self._apt("update")

    def _line(self, source: str, suite: str) -> str:
        return f"deb [signed-by={KEYS} arch={self.architecture}] {source} {suite} main\n"

    def _apt(self, *arguments: str, folder: Path | None = None) -> str:
        settings = {
            "Dir": self.home,
            "Dir::State::status": self.home / "status",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "60",
        }
        options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]
        return _run(["apt-get", "-q", *options, *arguments], folder)


class SourceArchive(Archive):
    """Debian's archive of sources. apt checks its signature, and each file by that."""

    def __init__(self, suite: str) -> None:
        host = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, timeout=60, check=True)
        super().__init__(host.stdout.strip(), (suite,))
        self.home = HOME / "apt" / f"source-{suite}"

    @_alone
    def version(self, name: str) -> str:
        """Its makers' version of a source package today. Asked of the archive once a month, else remembered."""
        remembered = self.home / f"version-{name}"
        if not remembered.exists() or time.time() - remembered.stat().st_mtime > FRESH:
            self._update()
            told = self._apt("source", "--download-only", "--tar-only", "--print-uris", name)
            found = re.search(rf" {re.escape(name)}_(\S+)\.orig\.tar\.", told)
            remembered.write_text(found.group(1) if found else "")
        return remembered.read_text()

    @_alone
    def fetch(self, name: str, into: Path) -> None:
        """The makers' own archive of a source package, without Debian's changes, into a folder."""
        into.mkdir(parents=True, exist_ok=True)
        if not any((self.home / "var/lib/apt/lists").glob("*_Sources*")):
            self._update()
        self._apt("source", "--download-only", "--tar-only", name, folder=into)

    def _line(self, source: str, suite: str) -> str:
        return f"deb-src [signed-by={KEYS}] {source} {suite} main\n"


def _parse_versions(text: str) -> list[Package]:
    return [Package(*line.split("=", 1)) for line in text.split()]


def _run(command: list[str], folder: Path | None = None) -> str:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=FETCH_DEADLINE, env=environment, cwd=folder
        )
    except FileNotFoundError:
        raise PackageError(f"{command[0]} is not there: the rig needs Debian's apt and dpkg")
    except subprocess.TimeoutExpired:
        raise PackageError(f"{command[0]} took longer than {FETCH_DEADLINE} s: is the network there?")
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise PackageError(f"{' '.join(command[:2])} … {command[-1]} failed:\n{last}")
    return done.stdout
