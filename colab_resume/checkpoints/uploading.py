"""A pack on its way to a remote: proved while it is read to be sent, so that rotten bytes never arrive as a pack.

The last bytes are handed out only when all before them, too, have turned out to be those that were written. An upload
that is tried again is proved again.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .pack import PackInfo
from .pack_file import PackFile, advance
from .pack_stream import PackStream

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["PackSource"]


class PackSource:
    """A pack on our own disk as the source of an upload; whoever reads a damaged one gets DamagedCheckpoint.

    `tell` hears how many bytes more were handed out; fewer than none, if some have to be handed out again.
    """

    def __init__(self, path: Path, info: PackInfo, tell: Callable[[int], None] = lambda _: None) -> None:
        self._path = path
        self._info = info
        self._tell = tell
        self._told = 0
        self._seen = self._stream()

    @property
    def size(self) -> int:
        """The size that the pack must have."""
        return self._info.size

    def open(self, offset: int = 0) -> BinaryIO:
        """The bytes from `offset` on. What lies before it is read again, unless the last reader came just so far."""
        file = PackFile(self._path)
        try:
            if self._seen.position != offset:
                self._seen = self._stream()
                advance(file, self._seen, offset)
            file.seek(offset)
            self._reach(offset)
        except BaseException:
            file.close()
            raise
        return cast("BinaryIO", _Proving(file, self._seen, self._reach))

    def prove(self) -> None:
        """Prove what nobody has read; a remote that knows the content already may have skipped it."""
        with PackFile(self._path) as file:
            file.seek(self._seen.position)
            advance(file, self._seen, self.size)
        self._seen.end()

    def _reach(self, position: int) -> None:
        more, self._told = position - self._told, position
        self._tell(more)

    def _stream(self) -> PackStream:
        return PackStream(self._path.name, self._info)


class _Proving(io.RawIOBase):
    """Passes on what it reads, after it has been looked at."""

    def __init__(self, file: PackFile, stream: PackStream, reach: Callable[[int], None]) -> None:
        self._file = file
        self._stream = stream
        self._reach = reach

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = self._file.fill(view)
        self._stream.feed(view[:count])
        if not self._stream.left or (view.nbytes and not count):
            self._stream.end()
        self._reach(self._stream.position)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
