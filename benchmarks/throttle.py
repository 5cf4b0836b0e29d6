"""A slow Drive on a fast disk: the same bytes, let through at so many bytes a second.

It stands in for a Drive's bandwidth only. Latency, refusals and the daily moods of a real one are not imitated.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from colab_resume.errors import RemoteRefused
from colab_resume.remotes import Entry, Receipt, Remote, Source

__all__ = ["SlowFile", "SlowRemote"]


class _Pace:
    """Lets bytes through at `rate` a second, from the first one on."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._begin = time.monotonic()
        self._passed = 0

    def let_through(self, nbytes: int) -> None:
        self._passed += nbytes
        ahead = self._begin + self._passed / self._rate - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)


class SlowFile(io.FileIO):
    """A file in a mounted Drive, for whoever writes to it in the training loop."""

    def __init__(self, path: Path, rate: float) -> None:
        super().__init__(path, "w")
        self._pace = _Pace(rate)

    def write(self, data: Any, /) -> int:
        written = super().write(data)
        self._pace.let_through(written)
        return written


class _SlowSource:
    """A source that cannot be read faster than it can be sent."""

    def __init__(self, source: Source, rate: float, unplugged: threading.Event) -> None:
        self._source = source
        self._rate = rate
        self._unplugged = unplugged

    @property
    def size(self) -> int:
        return self._source.size

    def open(self, offset: int = 0) -> BinaryIO:
        return cast("BinaryIO", _SlowStream(self._source.open(offset), self._rate, self._unplugged))


class _SlowStream(io.RawIOBase):
    def __init__(self, stream: BinaryIO, rate: float, unplugged: threading.Event) -> None:
        self._stream = stream
        self._pace = _Pace(rate)
        self._unplugged = unplugged

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._unplugged.is_set():
            raise _refusal()
        data = self._stream.read(size)
        self._pace.let_through(len(data))
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()


class SlowRemote:
    """`inner`, taking `rate` bytes a second from whoever uploads."""

    def __init__(self, inner: Remote, rate: float) -> None:
        self._inner = inner
        self._rate = rate
        self._unplugged = threading.Event()

    @property
    def confirms(self) -> bool:
        return self._inner.confirms

    def unplug(self) -> None:
        """Refuse everything from now on, so that a loop that is measured does not upload into the next one."""
        self._unplugged.set()

    def list(self, folder: str) -> Sequence[Entry]:
        return self._plugged().list(folder)

    def put(self, name: str, source: Source) -> Receipt:
        return self._plugged().put(name, _SlowSource(source, self._rate, self._unplugged))

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._plugged().get(name, sink, offset)

    def delete(self, name: str) -> None:
        self._plugged().delete(name)

    def _plugged(self) -> Remote:
        if self._unplugged.is_set():
            raise _refusal()
        return self._inner


def _refusal() -> RemoteRefused:
    return RemoteRefused("the slow Drive was unplugged", hint="the measurement is over")
