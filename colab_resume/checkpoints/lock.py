"""The right of one process to a store: held until released, and gone with the process however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..durable import as_store_error
from ..errors import StoreError

__all__ = ["StoreLock"]

# By path, the process that locked it: what a forked child finds here is its parent's.
_held: dict[Path, int] = {}


class StoreLock:
    """Taken when built; StoreError if anybody has it, in this process or another."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        # The system asks only whether another *process* has the lock, and closing any handle of the file releases it
        # for the whole process; so a second one in this process must be refused before the file is opened.
        if _held.get(self._path) == os.getpid():
            raise self._taken("this process")
        with as_store_error(path):
            self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            # Not flock: forked DataLoader workers would inherit that one, and a worker that outlives a killed kernel
            # would keep the run locked. This one belongs to the process that asked for it, alone.
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            if isinstance(error, (BlockingIOError, PermissionError)):
                raise self._taken("another process") from error
            with as_store_error(path):
                raise
        _held[self._path] = os.getpid()

    def release(self) -> None:
        """Let others have it; again is nothing."""
        if self._handle is None:
            return
        os.close(self._handle)
        self._handle = None
        if _held.get(self._path) == os.getpid():
            del _held[self._path]

    def _taken(self, holder: str) -> StoreError:
        hint = "Stop the other notebook or script that runs this training on this machine, or choose another run name."
        return StoreError(f"{holder} is using {self._path.parent}.", hint=hint)
