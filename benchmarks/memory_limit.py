"""A control group that takes memory away from a process, as a small VM or a container would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ways import LeftOut

__all__ = ["Group", "memory_group"]

_ROOT = Path("/sys/fs/cgroup")


class Group:
    """One group, of either version of the kernel's interface."""

    def __init__(self, path: Path) -> None:
        self._path = path
        is_second = (_ROOT / "cgroup.controllers").exists()
        self._used, self._limit = (
            ("memory.current", "memory.max") if is_second else ("memory.usage_in_bytes", "memory.limit_in_bytes")
        )

    def enter(self) -> None:
        """From now on, what this process takes counts here."""
        (self._path / "cgroup.procs").write_text(str(os.getpid()), "ascii")

    def used(self) -> int:
        """What has been taken so far, page cache and all."""
        return int((self._path / self._used).read_text("ascii"))

    def limit(self, nbytes: int) -> None:
        """There will be no more than this."""
        (self._path / self._limit).write_text(str(nbytes), "ascii")


@contextmanager
def memory_group() -> Iterator[Path]:
    """A new group, gone afterwards; `LeftOut` where this process may not make one."""
    parent = _ROOT if (_ROOT / "cgroup.controllers").exists() else _ROOT / "memory"
    path = parent / f"benchmarks-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        raise LeftOut(f"no control group can be made here ({error.strerror})") from error
    try:
        if not any(path.glob("memory.*")):
            raise LeftOut("control groups here do not limit memory")
        yield path
    finally:
        path.rmdir()
