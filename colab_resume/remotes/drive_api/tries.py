"""How often a transfer that does not get on is tried, and how long it waits in between.

A try that got further than any before it makes the count begin anew: a bad line is slow, not hopeless. Waits grow and
are drawn at random from zero up, but are never shorter than Drive asked for. What `wait` raises passes through.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ...errors import RemoteUnavailable

__all__ = ["Tries"]

_FIRST, _LONGEST, _LONGEST_ASKED = 1.0, 32.0, 60.0

_JITTER = random.Random()
"""A generator of its own: this runs beside the training, whose numbers must not depend on the weather."""


class Tries:
    """Those of one transfer: `most` in a row without progress."""

    def __init__(self, most: int, wait: Callable[[float], None]) -> None:
        self._most = most
        self._wait = wait
        self._failed = 0
        self._furthest = 0

    def reached(self, position: int) -> None:
        if position > self._furthest:
            self._furthest = position
            self._failed = 0

    def failed(self, error: RemoteUnavailable) -> None:
        """Wait, or give up: then the error is raised again, with the number of tries."""
        self._failed += 1
        if self._failed >= self._most:
            raise RemoteUnavailable(f"{error.what} (tries: {self._failed})", hint=error.hint) from error
        ceiling = min(_FIRST * 2.0 ** (self._failed - 1), _LONGEST)
        self._wait(max(ceiling * _JITTER.random(), min(error.retry_after, _LONGEST_ASKED)))
