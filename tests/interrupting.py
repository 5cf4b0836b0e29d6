"""Ctrl-C at a chosen line: a real signal, at every place in turn where one can come."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["interrupt_before_line"]


@contextmanager
def interrupt_before_line(number: int, *modules: str) -> Iterator[list[int]]:
    """Before so many lines of these modules have run in the block, in the main thread; what is given stays empty if
    there are not so many."""
    reached: list[int] = []
    left = number

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        nonlocal left
        if frame.f_globals.get("__name__") not in modules:
            return None
        if event == "line":
            if left == 0:
                sys.settrace(None)
                reached.append(frame.f_lineno)
                signal.raise_signal(signal.SIGINT)
            left -= 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield reached
    finally:
        sys.settrace(before)
