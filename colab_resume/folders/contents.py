"""The contents of files that belong to somebody else, who may write to them at any moment.

Nothing is locked and nothing is copied, unless that is asked for. A content is known by its digest, and proved by it
whenever it is read again; whoever reads something else gets `ChangedMeanwhile`, and no remote gets all of its bytes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..checkpoints.digest import RunningDigest
from ..durable import as_store_error
from ..errors import CheckpointError
from .kinds import is_text_log
from .looking import Seen

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ChangedMeanwhile", "ContentSource", "Digests", "copy_of"]

_PIECE = 1 << 20
_LAST_LINE = 1 << 16


class ChangedMeanwhile(CheckpointError):
    """A file is no longer what it was when its folder had settled; the folder is looked at again."""


def _changed(path: Path) -> ChangedMeanwhile:
    return ChangedMeanwhile(f"{path} changed while it was read", hint="it is read again when it has settled")


class Digests:
    """The size and the digest of each file below `root`, read once for as long as nobody has written to it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[Seen, tuple[int, str]]] = {}

    def of(self, path: str, seen: Seen) -> tuple[int, str]:
        """Of the file as it was seen; of a log that consists of lines, up to its last whole one."""
        known = self._known.get(path)
        if known is None or known[0] != seen:
            whole = self._root / path
            size = _whole_lines(whole, seen.size) if is_text_log(whole.name) else seen.size
            self._known[path] = known = seen, (size, _digest(whole, size))
        return known[1]

    def is_known(self, path: str, seen: Seen) -> bool:
        """Whether that needs no reading."""
        known = self._known.get(path)
        return known is not None and known[0] == seen

    def forget_all_but(self, paths: set[str]) -> None:
        """Other files are gone."""
        self._known = {path: known for path, known in self._known.items() if path in paths}


class ContentSource:
    """So many bytes of a file, from its beginning, as the source of an upload, proved while they are read.

    `tell` hears how many bytes more were handed out; fewer than none, if some have to be handed out again.
    """

    def __init__(self, path: Path, size: int, digest: str, tell: Callable[[int], None] = lambda _: None) -> None:
        self._path = path
        self._size = size
        self._digest = digest
        self._tell = tell
        self._told = 0

    @property
    def size(self) -> int:
        """The bytes that there must be."""
        return self._size

    def open(self, offset: int = 0) -> BinaryIO:
        """The bytes from `offset` on; what lies before it is read, too, for the digest is that of all."""
        reader = self._reader(self._reach)
        try:
            reader.skip(offset)
        except BaseException:
            reader.close()
            raise
        return cast("BinaryIO", reader)

    def prove(self) -> None:
        """Read all of it; a remote that knows the content already may have read nothing."""
        with self._reader(lambda _: None) as reader:
            reader.skip(self._size)

    def _reader(self, reach: Callable[[int], None]) -> _Proving:
        return _Proving(self._path, self._size, self._digest, reach)

    def _reach(self, position: int) -> None:
        more, self._told = position - self._told, position
        self._tell(more)


class _Proving(io.RawIOBase):
    """Passes on what it reads; the last bytes only once the digest of all has turned out right."""

    def __init__(
        self,
        path: Path,
        size: int,
        digest: str,
        reach: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._left = size
        self._size = size
        self._expected = digest
        self._reach = reach
        self._digest = RunningDigest()
        self._file = _opened(path)

    def readable(self) -> bool:
        return True

    def skip(self, offset: int) -> None:
        """Read as far as there without handing anything out."""
        buffer = bytearray(_PIECE)
        while (here := self._size - self._left) < offset:
            self._take(memoryview(buffer)[: offset - here])

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._take(memoryview(buffer).cast("B"))

    def _take(self, view: memoryview) -> int:
        view = view[: self._left]
        if not view.nbytes:
            return 0
        try:
            count = self._file.readinto(view) or 0
        except OSError:
            count = 0
        self._digest.update(view[:count])
        self._left -= count
        if not count or (not self._left and self._digest.value != self._expected):
            raise _changed(self._path)
        self._reach(self._size - self._left)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def copy_of(path: Path, size: int, digest: str, target: Path) -> None:
    """Copy what a file is known to hold, so that its owner may go on writing to it while the copy is sent."""
    with _Proving(path, size, digest) as source, as_store_error(target), target.open("wb") as sink:
        while piece := source.read(_PIECE):
            sink.write(piece)


def _digest(path: Path, size: int) -> str:
    digest, left, buffer = RunningDigest(), size, memoryview(bytearray(min(size, _PIECE) or 1))
    with _opened(path) as file:
        while left:
            count = file.readinto(buffer[: min(left, _PIECE)])
            if not count:
                raise _changed(path)
            digest.update(buffer[:count])
            left -= count
    return digest.value


def _whole_lines(path: Path, size: int) -> int:
    """The length up to the last end of a line, if that is near."""
    with _opened(path) as file:
        begin = max(0, size - _LAST_LINE)
        file.seek(begin)
        end = (file.read(size - begin) or b"").rfind(b"\n")
    return size if end < 0 else begin + end + 1


def _opened(path: Path) -> io.FileIO:
    """The file itself: not what a link leads to, and nothing that would have to be waited for."""
    try:
        return io.FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        raise _changed(path) from error
