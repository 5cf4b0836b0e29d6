"""Bytes into a file past the page cache: what is written once must not push out what the training reads.

The cache costs more than the disk: fresh pages, the kernel's copy and the write-back take the CPU of a training step.
With O_DIRECT whole blocks go straight from the memory they lie in, wherever address and offset agree to the block;
the rest, and what may not be written to, goes through one aligned buffer. Where the file system does not take
O_DIRECT, the same bytes go the usual way, and out to the disk every 32 MiB, so that they never pile up in the cache.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterable
from mmap import mmap
from pathlib import Path

from ..durable import write_durably

__all__ = ["write_file", "write_views"]

_BLOCK = 4096
_PIECE = 4 << 20
_BURST = 32 << 20
_WORTH = 1 << 20
"""What is shorter is copied sooner than the disk has begun to write it on its own."""


def write_file(path: Path, views: Iterable[memoryview], *, onto: Path | None = None) -> None:
    """Make `path` a file of these bytes, durably, out of the file `onto` if that is given; StoreError as usual."""
    write_durably(path, lambda sink: write_views(sink.fileno(), views), onto=onto)


def write_views(handle: int, views: Iterable[memoryview]) -> None:
    """Make these bytes, in order, the whole content of the file; when it is durable, is up to the caller's fsync.

    The file may hold anything before. No view is used any more once the next one is asked for.
    """
    stream = _Stream(handle)
    for view in views:
        stream.add(view)
    stream.end()


class _Stream:
    """The file, from its beginning on. `_offset` is where the content of the buffer will lie, if it has any."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._direct = _go_direct(handle, True)
        self._buffer = memoryview(mmap(-1, _PIECE))
        self._filled = 0
        self._offset = 0
        self._on_disk = 0

    def add(self, view: memoryview) -> None:
        """The next bytes."""
        if view.nbytes >= _WORTH and (lead := self._lead(view)) is not None:
            whole = (view.nbytes - lead) // _BLOCK * _BLOCK
            self._copy(view[:lead])
            self._flush()
            self._write(view[lead : lead + whole])
            view = view[lead + whole :]
        self._copy(view)

    def end(self) -> None:
        """Write what is left, and cut off what lay behind it before."""
        size = self._offset + self._filled
        if self._direct:
            padding = -self._filled % _BLOCK
            self._buffer[self._filled : self._filled + padding] = bytes(padding)
            self._filled += padding
        self._flush()
        os.ftruncate(self._handle, size)
        if not self._direct:
            self._push_out()

    def _lead(self, view: memoryview) -> int | None:
        """How many of the bytes have to be copied before the others can go straight; None if they cannot."""
        if not self._direct:
            return 0
        here, address = self._offset + self._filled, _address(view)
        return -here % _BLOCK if address is not None and (address - here) % _BLOCK == 0 else None

    def _copy(self, run: memoryview) -> None:
        while run.nbytes:
            count = min(run.nbytes, _PIECE - self._filled)
            self._buffer[self._filled : self._filled + count] = run[:count]
            self._filled += count
            run = run[count:]
            if self._filled == _PIECE:
                self._flush()

    def _flush(self) -> None:
        filled, self._filled = self._filled, 0
        self._write(self._buffer[:filled])

    def _write(self, run: memoryview) -> None:
        while run.nbytes:
            count = self._write_some(run[:_PIECE])
            self._offset += count
            run = run[count:]
            if not self._direct and self._offset - self._on_disk >= _BURST:
                self._push_out()

    def _write_some(self, piece: memoryview) -> int:
        try:
            count = os.pwrite(self._handle, piece, self._offset)
        except OSError as error:
            # Some file systems take the flag and refuse what is written with it, and so do disks of larger blocks;
            # and what follows a write that ended amid a block can only go the usual way.
            if error.errno != errno.EINVAL or not self._direct:
                raise
            self._direct = _go_direct(self._handle, False)
            return 0
        if not count:
            raise OSError(errno.EIO, "nothing was written")
        return count

    def _push_out(self) -> None:
        os.fdatasync(self._handle)
        os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
        self._on_disk = self._offset


def _go_direct(handle: int, direct: bool) -> bool:
    """Switch O_DIRECT on or off; whether it is on now."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL) & ~os.O_DIRECT
    try:
        fcntl.fcntl(handle, fcntl.F_SETFL, flags | os.O_DIRECT if direct else flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return False
    return direct


def _address(view: memoryview) -> int | None:
    """Where the bytes lie; None where they may not be written to, for then nobody tells it."""
    return None if view.readonly else ctypes.addressof(ctypes.c_char.from_buffer(view))
