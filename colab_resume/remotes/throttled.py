"""A wrapper that sends no faster than it was told to: uploads must not take all of a line that others use, too."""

from __future__ import annotations

import io
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import UsageError
from . import Entry, Receipt, Remote, Source
from .around import Around

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Throttled", "bytes_per_second"]

_RATE = re.compile(r"([0-9.]+)\s*([kMG]?)(B|bit)/s")
_PREFIX = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_PIECE = 0.05
"""Seconds: so much is handed out at once, so that several uploads share the line evenly."""


def bytes_per_second(limit: str | float) -> float:
    """What "5 MB/s", "20 Mbit/s" or a number of bytes means; `UsageError` for what means nothing."""
    match = _RATE.fullmatch(limit.strip()) if isinstance(limit, str) else None
    try:
        rate = float(match[1]) * _PREFIX[match[2]] / (8 if match[3] == "bit" else 1) if match else _plain(limit)
    except (TypeError, ValueError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise UsageError(f"upload_limit={limit!r} is no rate", hint="say it as '5 MB/s', '20 Mbit/s' or bytes a second")
    return rate


def _plain(limit: str | float) -> float:
    return math.nan if isinstance(limit, str) else float(limit)


class Throttled(Around):
    """`inner`, except that all its uploads together take at most `rate` bytes a second on average."""

    def __init__(
        self,
        inner: Remote,
        rate: float,
        *,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self._rate = rate
        self._wait = wait
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = -math.inf
        self.piece = max(1, int(rate * _PIECE))

    def __repr__(self) -> str:
        return f"Throttled({self._inner!r}, {self._rate:.0f})"

    def list(self, folder: str) -> Sequence[Entry]:
        return self._inner.list(folder)

    def put(self, name: str, source: Source) -> Receipt:
        return self._inner.put(name, _Paced(source, self))

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._inner.get(name, sink, offset)

    def delete(self, name: str) -> None:
        self._inner.delete(name)

    def take(self, count: int) -> None:
        """Wait for the turn of so many bytes."""
        with self._lock:
            begin = max(self._clock(), self._free_at)
            self._free_at = begin + count / self._rate
            left = begin - self._clock()
        if left > 0:
            self._wait(left)


class _Paced:
    """A source that is read no faster than allowed."""

    def __init__(self, source: Source, line: Throttled) -> None:
        self._source = source
        self._line = line

    @property
    def size(self) -> int:
        return self._source.size

    def open(self, offset: int = 0) -> BinaryIO:
        return cast("BinaryIO", _PacedStream(self._source.open(offset), self._line))


class _PacedStream(io.RawIOBase):
    def __init__(self, stream: BinaryIO, line: Throttled) -> None:
        self._stream = stream
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._stream.read(min(view.nbytes, self._line.piece))
        self._line.take(len(data))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
