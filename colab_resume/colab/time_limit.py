"""An end for calls of others that might wait for ever, in the main thread, where Colab allows them only."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["TimeIsUp", "time_limit"]

_AGAIN = 0.2
"""Seconds until the next try, should the first have hit code that goes on in spite of it."""


class TimeIsUp(BaseException):
    """Not an `Exception`: google.colab swallows those while it waits for an answer of the front end."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in the block when it has taken so long; an alarm that was set before rings as it would have."""
    armed = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise TimeIsUp

    begin = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            yield
        finally:
            armed = False
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(1e-3, delay - (time.monotonic() - begin)), interval)
