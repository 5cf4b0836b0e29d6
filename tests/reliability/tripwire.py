"""A wrapper that lets something happen before, or in the midst of, one chosen operation of a remote."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO, cast

from colab_resume.remotes import Entry, Receipt, Remote, Source
from colab_resume.remotes.abilities import Space, lag_of, space_of

__all__ = ["Tripwire"]


class Tripwire:
    """Counts the operations of all remotes it is laid around, and those of them that carry bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._strike: Callable[[], None] | None = None
        self._at = 0
        self._amid = False
        self.calls = 0

    def around(self, remote: Remote) -> Remote:
        return _Wired(remote, self)

    def lay(self, strike: Callable[[], None], *, at: int, amid: bool) -> None:
        """`strike` at the operation number `at`, counted from 0 and from now: before it, or while its bytes flow."""
        self._strike, self._at, self._amid = strike, at, amid
        self.calls = 0

    def clear(self) -> None:
        self._strike = None

    @property
    def is_struck(self) -> bool:
        return self._strike is None

    def passed(self) -> bool:
        """One more operation begins; whether its bytes shall meet the strike."""
        with self._lock:
            here = self._strike is not None and self.calls >= self._at
            self.calls += 1
        if here and not self._amid:
            self.spring()
        return here and self._amid

    def spring(self) -> None:
        with self._lock:
            strike, self._strike = self._strike, None
        if strike is not None:
            strike()


class _Wired:
    def __init__(self, inner: Remote, wire: Tripwire) -> None:
        self._inner = inner
        self._wire = wire

    @property
    def confirms(self) -> bool:
        return self._inner.confirms

    @property
    def lag(self) -> float:
        return lag_of(self._inner)

    def space(self) -> Space | None:
        return space_of(self._inner)

    def list(self, folder: str) -> Sequence[Entry]:
        self._wire.passed()
        return self._inner.list(folder)

    def put(self, name: str, source: Source) -> Receipt:
        return self._inner.put(name, _Source(source, self._wire) if self._wire.passed() else source)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        given = cast("BinaryIO", _Sink(sink, self._wire)) if self._wire.passed() else sink
        self._inner.get(name, given, offset)

    def delete(self, name: str) -> None:
        self._wire.passed()
        self._inner.delete(name)


class _Source:
    """Springs the wire when its bytes are asked for: the file to write them to has been made by then, or has not."""

    def __init__(self, inner: Source, wire: Tripwire) -> None:
        self._inner = inner
        self._wire = wire

    @property
    def size(self) -> int:
        return self._inner.size

    def open(self, offset: int = 0) -> BinaryIO:
        self._wire.spring()
        return self._inner.open(offset)


class _Sink:
    """Springs it when some bytes have come."""

    def __init__(self, inner: BinaryIO, wire: Tripwire) -> None:
        self._inner = inner
        self._wire = wire

    def write(self, data: bytes) -> int:
        self._inner.write(data)
        self._wire.spring()
        return len(data)
