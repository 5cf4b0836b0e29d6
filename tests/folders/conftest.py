"""A folder that somebody writes to, a remote that counts, and a clock that is moved by hand."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from colab_resume.folders import Folders
from colab_resume.folders.looking import SETTLE_SECONDS
from colab_resume.remotes import Receipt, Remote, Source
from colab_resume.sessions.identity import new_session_id
from colab_resume.testing import ManualClock, MemoryRemote

__all__ = ["Counting", "VM", "content", "write"]


class Counting(MemoryRemote):
    """A remote in memory that remembers what was put and deleted, in order, and how many bytes went there."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []
        self.bytes = 0

    def put(self, name: str, source: Source) -> Receipt:
        receipt = super().put(name, source)
        self.seen.append(("put", name))
        self.bytes += receipt.size
        return receipt

    def delete(self, name: str) -> None:
        self.seen.append(("delete", name))
        super().delete(name)

    def names(self, folder: str) -> list[str]:
        return [entry.name.rpartition("/")[2] for entry in self.list(folder)]


@contextmanager
def no_bar(what: str, total: int) -> Iterator[object]:
    yield lambda _: None


class VM:
    """One machine with one session on it: its disk, and the mirror's work done by hand.

    With a time to `settle` of its own it lives by real clocks.
    """

    def __init__(self, disk: Path, remote: Remote | None, *, keep: int = 3, settle: float | None = None) -> None:
        self.disk = disk
        self.path = disk / "work" / "weights"
        self.clock = ManualClock()
        real = settle is not None
        self.told: list[str] = []
        self.folders = Folders(
            disk / "store",
            remote,
            keep=keep,
            progress=no_bar,  # type: ignore[arg-type]
            tell=self.told.append,
            settle=SETTLE_SECONDS if settle is None else settle,
            clock=time.monotonic if real else self.clock,
            now=time.time if real else self.clock,
        )
        self.folders.begin(new_session_id(), lambda: None)

    def track(self) -> Path:
        return self.folders.add(self.path)

    def mirror(self, *, request: int = 0, rounds: int = 40) -> None:
        """Look every second and send what has settled, until all is on the remote."""
        for _ in range(rounds):
            due = self.folders.look(request)
            if self.folders.rest and not due:
                return
            if due:
                self.folders.sync(lambda: False)
            self.clock.advance(1.0)
        raise AssertionError("it does not come to rest")


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Exactly these files."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="folders-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def remote() -> Counting:
    return Counting()


@pytest.fixture
def vm(tmp_path: Path, remote: Counting) -> VM:
    return VM(tmp_path / "first", remote)


@pytest.fixture
def new_vm(tmp_path: Path, remote: Counting) -> VM:
    """Another machine with an empty disk, and the same remote."""
    return VM(tmp_path / "second", remote)
