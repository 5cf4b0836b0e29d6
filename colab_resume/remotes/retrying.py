"""A wrapper that asks again: what is passing is tried several times, what is refused is not.

Waits grow exponentially and are drawn at random from zero up ("full jitter"), so that many clients of one
service do not come back at the same moment. A `get` that broke off goes on where it stopped: the sink sees each
byte once. Whatever `wait` raises passes through, which is how a closing thread cuts a wait short.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol, TypeVar, cast

from ..errors import RemoteUnavailable, UsageError
from . import Entry, Receipt, Remote, Source
from .abilities import Space, Swapping, folders_of, space_of, swapping
from .around import Around

__all__ = ["Retrying"]

_T = TypeVar("_T")

_LONGEST_ASKED = 60.0
"""Seconds that a remote may ask to be left alone for; the next round of the mirror comes anyway."""

_JITTER = random.Random()
"""A generator of its own: this runs beside the training, whose numbers must not depend on the weather."""


class Retrying(Around):
    """`inner`, tried up to `attempts` times; the ceiling of the waits doubles from `first_wait` to `longest_wait`."""

    def __init__(
        self,
        inner: Remote,
        *,
        attempts: int = 5,
        first_wait: float = 0.5,
        longest_wait: float = 30.0,
        wait: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = _JITTER.random,
    ) -> None:
        if attempts < 1:
            raise UsageError(f"attempts={attempts} never asks at all", hint="use attempts=1 to ask once")
        if not 0 <= first_wait <= longest_wait:
            raise UsageError(
                f"first_wait={first_wait} and longest_wait={longest_wait} are no growing waits",
                hint="use 0 <= first_wait <= longest_wait, in seconds",
            )
        super().__init__(inner)
        self._attempts = attempts
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._wait = wait
        self._jitter = jitter

    def __repr__(self) -> str:
        return f"Retrying({self._inner!r})"

    def list(self, folder: str) -> Sequence[Entry]:
        return self._ask(lambda: self._inner.list(folder))

    def put(self, name: str, source: Source) -> Receipt:
        return self._ask(lambda: self._inner.put(name, source))

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        counting = _Counting(sink)
        self._ask(lambda: self._inner.get(name, cast(BinaryIO, counting), offset + counting.passed))

    def delete(self, name: str) -> None:
        self._ask(lambda: self._inner.delete(name))

    def space(self) -> Space | None:
        """What the remote inside says."""
        return self._ask(lambda: space_of(self._inner))

    def folders(self) -> Sequence[str]:
        """What the remote inside says."""
        return self._ask(lambda: folders_of(self._inner))

    def swapping(self) -> Swapping | None:
        """The means of the remote inside, tried again, too."""
        cell = swapping(self._inner)
        return None if cell is None else _RetryingCell(cell, self._ask)

    def _ask(self, question: Callable[[], _T]) -> _T:
        ceiling = self._first_wait
        tried = 0
        while True:
            tried += 1
            try:
                return question()
            except RemoteUnavailable as error:
                if tried == self._attempts:
                    raise RemoteUnavailable(f"{error.what} (tries: {tried})", hint=error.hint) from error
                asked = min(error.retry_after, _LONGEST_ASKED)
            # Outside the except clause: what `wait` raises has nothing to do with the failure before it.
            self._wait(max(ceiling * self._jitter(), asked))
            ceiling = min(2 * ceiling, self._longest_wait)


class _Ask(Protocol):
    def __call__(self, question: Callable[[], _T]) -> _T: ...


class _RetryingCell:
    def __init__(self, inner: Swapping, ask: _Ask) -> None:
        self._inner = inner
        self._ask = ask

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        return self._ask(lambda: self._inner.read_tagged(name))

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        return self._ask(lambda: self._inner.swap(name, data, tag))


class _Counting:
    """Passes bytes on to a sink; `write`, all that the contract lets a back end call, is all it has."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.passed = 0

    def write(self, data: bytes) -> int:
        self._sink.write(data)
        self.passed += len(data)
        return len(data)
