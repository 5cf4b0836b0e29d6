"""Packs that nobody refers to any more, kept to be written over: a file that has its blocks costs less than a new one.

A spare becomes a pack only if the file has no other name and nobody reads it. Whoever uses a pack's content holds a
shared lock (`flock`) on the file meanwhile and, once it has the lock, makes sure that the file still goes by the pack's
name. A spare holds nothing that counts, and goes when its space is needed.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from ..durable import is_full
from ..errors import StoreError
from .direct import write_file

__all__ = ["Spares"]

_SPARE = re.compile("spare-[0-9a-f]{8}")


class Spares:
    """Those in one folder, which this process has alone; what an earlier one left there is as good."""

    def __init__(self, folder: Path) -> None:
        self._sizes = {path: path.stat().st_size for path in folder.iterdir() if _SPARE.fullmatch(path.name)}

    @property
    def nbytes(self) -> int:
        """How much space they take."""
        return sum(self._sizes.values())

    def retire(self, packs: Iterable[Path], *, limit: int) -> None:
        """Take these packs away; as many become spares as fit, with those there are, into `limit` bytes.

        Only for packs that no manifest names any more, not even after a power cut. The caller syncs the folder.
        """
        for path in packs:
            spare = path.rename(path.with_name(f"spare-{secrets.token_hex(4)}"))
            self._sizes[spare] = spare.stat().st_size
        for path in sorted(self._sizes, key=self._sizes.__getitem__, reverse=True):
            if self._sizes[path] <= limit:
                limit -= self._sizes[path]
            else:
                self._drop(path)

    def write(self, path: Path, size: int, views: Callable[[], Iterable[memoryview]]) -> None:
        """Make `path` of these bytes, `size` in all, durably, out of the spare that fits best.

        If the disk is full, the other spares go, and `views` is asked once more.
        """
        try:
            write_file(path, views(), onto=self._take(size))
        except StoreError as error:
            if not (is_full(error) and self._sizes):
                raise
            for spare in list(self._sizes):
                self._drop(spare)
            write_file(path, views())

    def _take(self, size: int) -> Path | None:
        for path in sorted(self._sizes, key=lambda path: abs(self._sizes[path] - size)):
            if _is_free(path):
                del self._sizes[path]
                return path
            # Somebody had begun to read it before it became a spare, or has given it another name.
            self._drop(path)
        return None

    def _drop(self, path: Path) -> None:
        del self._sizes[path]
        path.unlink(missing_ok=True)


def _is_free(path: Path) -> bool:
    """Whether no other name leads to the file, and nobody has it locked."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # To close it would not be enough: a worker process that is forked just now has the same lock.
            fcntl.flock(stream, fcntl.LOCK_UN)
            return os.fstat(stream.fileno()).st_nlink == 1
    except OSError:
        # It is locked, or this file system has no locks, or somebody took the file away: nobody can vouch for it.
        return False
