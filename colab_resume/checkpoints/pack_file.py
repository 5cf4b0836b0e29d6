"""Packs on a disk: read once, in file order, and proved by the same pass.

A retired pack's file is written over with a new one once nobody has it locked. So whoever reads a pack holds a shared
lock on it, and makes sure, once it has the lock, that the file still is the pack.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Callable
from pathlib import Path

from .damage import damaged, unreadable
from .header import content_size, read_header
from .pack import PackInfo
from .pack_stream import PIECE, PackStream, Place, nowhere

__all__ = ["PackFile", "advance", "payload_size", "read_pack", "verify_pack"]

_NO_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


class PackFile(io.FileIO):
    """A pack that is open for reading, and locked against being written over; DamagedCheckpoint if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._locked = False
        try:
            super().__init__(path, "rb")
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._lock()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How long the file is."""
        return os.fstat(self.fileno()).st_size

    def fill(self, buffer: memoryview) -> int:
        """Read what comes next; 0 at the end of the file, DamagedCheckpoint or StoreError if the disk fails."""
        try:
            return self.readinto(buffer) or 0
        except OSError as error:
            raise unreadable(self._path, error) from error

    def close(self) -> None:
        """Let go of the lock, too: a process forked meanwhile has the file open as well, and would hold it for ever."""
        if self._locked:
            self._locked = False
            fcntl.flock(self, fcntl.LOCK_UN)
        super().close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self, fcntl.LOCK_SH)
            self._locked = True
        except OSError as error:
            # Some network file systems have no locks. Nobody can lock a file for himself there either, to reuse it.
            if error.errno not in _NO_LOCKS:
                raise unreadable(self._path, error) from error
        try:
            is_there = os.path.samestat(os.fstat(self.fileno()), self._path.stat())
        except OSError as error:
            raise unreadable(self._path, error) from error
        if not is_there:
            raise damaged(self._path.name, "it is not there any more")


def verify_pack(path: Path, info: PackInfo, progress: Callable[[int], None] | None = None) -> None:
    """Return only if the file is what `info` says; `progress` is told the number of bytes of each piece read."""
    read_pack(path, info, progress=progress)


def read_pack(
    path: Path, info: PackInfo, *, place: Place = nowhere, progress: Callable[[int], None] | None = None
) -> PackStream:
    """Read all of a pack, put each tensor into its place, and prove it: DamagedCheckpoint unless it is `info`."""
    with PackFile(path) as file:
        if file.size != info.size:
            raise damaged(path.name, f"it has {file.size} bytes instead of {info.size}")
        stream = PackStream(path.name, info, place)
        advance(file, stream, info.size, progress)
    stream.end()
    return stream


def advance(file: PackFile, stream: PackStream, stop: int, progress: Callable[[int], None] | None = None) -> None:
    """Hand the file's next bytes to the stream until it is at `stop`, or the file ends."""
    scratch = memoryview(bytearray(min(PIECE, stop - stream.position)))
    while (left := stop - stream.position) > 0:
        room = stream.room()
        count = file.fill((scratch if room is None else room)[:left])
        if not count:
            return
        if room is None:
            stream.feed(scratch[:count])
        else:
            stream.took(count)
        if progress is not None:
            progress(count)


def payload_size(path: Path) -> int:
    """How many bytes of the pack are tensors."""
    return sum(content_size(dtype, shape) for dtype, shape in read_header(path).values())
