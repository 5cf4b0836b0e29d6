"""For tests, yours too: a remote in memory, remotes that die or fail at a chosen operation, a clock moved by hand.

    for nth in range(1, 40):
        dying = DyingRemote(MemoryRemote(), nth, when="during")
        ...train until VMDied, start again on the remote inside, compare the weights

All of these fulfil the contract of `colab_resume.remotes.Remote` up to the moment at which they shall not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import BinaryIO, Literal, TypeVar, get_args

from .errors import NotThere, RemoteError, RemoteUnavailable, UsageError
from .remotes import BytesSource, Entry, Receipt, Remote, Source
from .remotes.folder import check_name

__all__ = ["DyingRemote", "FaultyRemote", "ManualClock", "MemoryRemote", "VMDied"]

_T = TypeVar("_T")
_E = TypeVar("_E", bound=BaseException)
_When = Literal["before", "during", "after"]


class VMDied(BaseException):
    """The VM is gone. Not an Exception: no handler of the code under test may survive it."""


class MemoryRemote:
    """A remote that lives as long as the object; safe to use from several threads."""

    confirms = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[str, BytesSource] = {}

    def list(self, folder: str) -> Sequence[Entry]:
        if folder:
            check_name(folder)
        prefix = f"{folder}/" if folder else ""
        with self._lock:
            found = sorted(self._objects.items())
        return [
            Entry(name, stored.size, stored.md5)
            for name, stored in found
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        ]

    def put(self, name: str, source: Source) -> Receipt:
        check_name(name)
        with source.open() as stream:
            stored = BytesSource(stream.read())
        if stored.size != source.size:
            raise RemoteUnavailable(
                f"{name}: {stored.size} bytes arrived of {source.size}",
                hint="a source must not change while it is sent",
            )
        with self._lock:
            self._objects[name] = stored
        return Receipt(name, stored.size, stored.md5)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        check_name(name)
        with self._lock:
            stored = self._objects.get(name)
        if stored is None:
            raise NotThere(f"{name} is not there", hint="list the folder to see what is")
        sink.write(stored.data[offset:])

    def delete(self, name: str) -> None:
        check_name(name)
        with self._lock:
            self._objects.pop(name, None)


class _Counter:
    """Numbers calls from 1, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = 0

    def next(self) -> int:
        with self._lock:
            self.calls += 1
            return self.calls


class DyingRemote:
    """`inner`, until the VM dies before, during or after the `nth` operation (counted from 1, of any verb).

    During a `put` means the worst that a mounted Drive can do: the first half of the bytes under the final name.
    During a `get`, half of the bytes have reached the sink; `list` and `delete` have no middle and die before.
    Every later call raises `VMDied` too.
    """

    def __init__(self, inner: Remote, nth: int, *, when: _When) -> None:
        if nth < 1:
            raise UsageError(f"there is no operation number {nth}", hint="operations are counted from 1")
        if when not in get_args(_When):
            raise UsageError(f"when={when!r} is not a moment of an operation", hint=f"use one of {get_args(_When)}")
        self._inner = inner
        self._nth = nth
        self._when = when
        self._counter = _Counter()

    @property
    def confirms(self) -> bool:
        return self._inner.confirms

    @property
    def operations(self) -> int:
        """How many operations were asked for, those after death included."""
        return self._counter.calls

    def list(self, folder: str) -> Sequence[Entry]:
        return self._live(lambda: self._inner.list(folder), _nothing)

    def put(self, name: str, source: Source) -> Receipt:
        return self._live(lambda: self._inner.put(name, source), lambda: _put_half(self._inner, name, source))

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        return self._live(
            lambda: self._inner.get(name, sink, offset), lambda: _get_half(self._inner, name, sink, offset)
        )

    def delete(self, name: str) -> None:
        return self._live(lambda: self._inner.delete(name), _nothing)

    def _live(self, act: Callable[[], _T], half: Callable[[], None]) -> _T:
        number = self._counter.next()
        if number < self._nth:
            return act()
        if number > self._nth:
            raise VMDied(f"operation {number}, but the VM died at operation {self._nth}")
        last: Mapping[_When, Callable[[], object]] = {"before": _nothing, "during": half, "after": act}
        raise _after(last[self._when], VMDied(f"{self._when} operation {number}"))


class FaultyRemote:
    """`inner`, except that chosen operations raise chosen errors instead of acting.

    `faults` maps operation numbers (from 1, of any verb) to errors, or is asked with (number, verb, name) and
    answers None for "go on". A `get` has written half of the bytes before it raises, as a broken connection does.
    """

    def __init__(
        self, inner: Remote, faults: Mapping[int, Exception] | Callable[[int, str, str], Exception | None]
    ) -> None:
        self._inner = inner
        self._faults = faults
        self._counter = _Counter()

    @property
    def confirms(self) -> bool:
        return self._inner.confirms

    @property
    def operations(self) -> int:
        """How many operations were asked for, the failed ones included."""
        return self._counter.calls

    def list(self, folder: str) -> Sequence[Entry]:
        self._fail("list", folder)
        return self._inner.list(folder)

    def put(self, name: str, source: Source) -> Receipt:
        self._fail("put", name)
        return self._inner.put(name, source)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._fail("get", name, lambda: _get_half(self._inner, name, sink, offset))
        self._inner.get(name, sink, offset)

    def delete(self, name: str) -> None:
        self._fail("delete", name)
        self._inner.delete(name)

    def _fail(self, verb: str, name: str, half: Callable[[], None] | None = None) -> None:
        number = self._counter.next()
        fault = self._faults.get(number) if isinstance(self._faults, Mapping) else self._faults(number, verb, name)
        if fault is not None:
            raise _after(half or _nothing, fault)


class ManualClock:
    """Seconds that pass only when told to; `wait` stands in for sleeping and returns at once."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._lock = threading.Lock()
        self._now = start
        self._waits: list[float] = []

    def __call__(self) -> float:
        with self._lock:
            return self._now

    @property
    def waits(self) -> Sequence[float]:
        """Every wait so far, in order."""
        with self._lock:
            return tuple(self._waits)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise UsageError(
                f"a clock cannot advance by {seconds} s", hint="make another ManualClock with its own start"
            )
        with self._lock:
            self._now += seconds

    def wait(self, seconds: float) -> None:
        self.advance(seconds)
        with self._lock:
            self._waits.append(seconds)


def _nothing() -> None:
    """What an operation does that ends before it began."""


def _put_half(inner: Remote, name: str, source: Source) -> None:
    with source.open() as stream:
        inner.put(name, BytesSource(stream.read(source.size // 2)))


def _get_half(inner: Remote, name: str, sink: BinaryIO, offset: int) -> None:
    whole = BytesIO()
    inner.get(name, whole, offset)
    sink.write(whole.getvalue()[: len(whole.getvalue()) // 2])


def _after(act: Callable[[], object], error: _E) -> _E:
    """`error`, to be raised whatever `act` does: a refusal in the last moment must not save anyone."""
    try:
        act()
    except RemoteError as refusal:
        error.__cause__ = refusal
    return error
