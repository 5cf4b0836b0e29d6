"""A pack on its way to a remote: proved while it is read to be sent, so that rotten bytes never arrive as a pack.

The last bytes are handed out only when all before them, too, have turned out to be those that were written. An upload
that is tried again is proved again.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from .pack import PackInfo
from .pack_file import PackFile, advance
from .pack_stream import PIECE, PackStream

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["PackSource"]


class PackSource:
    """A pack on our own disk as the source of an upload; whoever reads a damaged one gets DamagedCheckpoint."""

    def __init__(self, path: Path, info: PackInfo) -> None:
        self._path = path
        self._info = info
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
        except BaseException:
            file.close()
            raise
        return cast("BinaryIO", _Proving(file, self._seen))

    def prove(self) -> None:
        """Prove what nobody has read; a remote that knows the content already may have skipped it."""
        with PackFile(self._path) as file:
            file.seek(self._seen.position)
            advance(file, self._seen, self.size)
        self._seen.end()

    def md5(self) -> str:
        """The md5 of the file, in hex, for a remote that answers with one."""
        digest = hashlib.md5(usedforsecurity=False)
        with PackFile(self._path) as file:
            buffer = memoryview(bytearray(PIECE))
            while count := file.fill(buffer):
                digest.update(buffer[:count])
        return digest.hexdigest()

    def _stream(self) -> PackStream:
        return PackStream(self._path.name, self._info)


class _Proving(io.RawIOBase):
    """Passes on what it reads, after it has been looked at."""

    def __init__(self, file: PackFile, stream: PackStream) -> None:
        self._file = file
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = self._file.fill(view)
        self._stream.feed(view[:count])
        if not self._stream.left or (view.nbytes and not count):
            self._stream.end()
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
