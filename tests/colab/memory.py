"""How much memory a VM has: a cgroup that its kernels are in, which the system's own out-of-memory killer watches.

https://docs.kernel.org/admin-guide/cgroup-v1/memory.html
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["Memory", "why_no_limit"]

_GROUPS = Path("/sys/fs/cgroup/memory")


def why_no_limit() -> str | None:
    """Why a VM's memory cannot be limited here, or None."""
    if not (_GROUPS / "memory.limit_in_bytes").exists():
        return f"needs cgroup v1 at {_GROUPS}"
    return None if os.access(_GROUPS, os.W_OK) and os.geteuid() == 0 else f"{_GROUPS} cannot be written to"


class Memory:
    """One VM's memory. Its files are opened where the cgroups are mounted; a process that forks later can use them."""

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._folder = _GROUPS / name
        self._folder.mkdir()
        self._set("memory.limit_in_bytes", size)
        self._limit = os.open(self._folder / "memory.limit_in_bytes", os.O_WRONLY)
        self._usage = os.open(self._folder / "memory.usage_in_bytes", os.O_RDONLY)
        self._members = os.open(self._folder / "cgroup.procs", os.O_WRONLY)
        self._events = os.open(self._folder / "memory.oom_control", os.O_RDONLY)

    def _set(self, name: str, value: int) -> None:
        (self._folder / name).write_text(str(value))

    def join(self) -> None:
        """This process, and all that it starts from now on, lives in this memory."""
        os.write(self._members, b"0")

    def tighten(self) -> None:
        """From now on there is no more than is in use."""
        # What is in use grows while this is done, and a limit below it is refused.
        for _ in range(1000):
            with suppress(OSError):
                os.write(self._limit, os.pread(self._usage, 32, 0))
                return
        raise RuntimeError("the memory in use does not stand still")

    def loosen(self) -> None:
        """There is as much as at first."""
        os.write(self._limit, str(self.size).encode())

    def kills(self) -> int:
        """How often a process was killed because there was no more."""
        lines = os.pread(self._events, 1000, 0).decode().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def close(self) -> None:
        """The cgroup is gone; no process may be in it."""
        for descriptor in (self._limit, self._usage, self._members, self._events):
            os.close(descriptor)
        with suppress(FileNotFoundError):
            self._folder.rmdir()
