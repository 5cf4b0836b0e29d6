"""Threads that work beside the training: how they start and end, and how they step back.

The disk serves them when nobody else wants it.

Their niceness stays as it is, on purpose. Python runs one thread at a time: one that is seldom given the processor
while it holds the interpreter keeps the training waiting, for a second and more where 20 ms would do
(`python -m benchmarks --only niceness`). What is heavy here (copies, digests, the disk) is done without the
interpreter, and is little.
"""

from __future__ import annotations

import ctypes
import platform
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["BackgroundThread", "step_back"]

# Neither Python nor the C library has a function for it. https://man7.org/linux/man-pages/man2/ioprio_set.2.html
_NUMBERS = {"x86_64": 251, "aarch64": 30}
_CALLING_THREAD = (1, 0)
_IDLE = 3 << 13


class BackgroundThread(threading.Thread):
    """A daemon thread that Ctrl-C starts whole or not at all, and that can be waited for again after it.

    One that an interrupt meets in Python's own `start` may never run, and yet counts as alive for ever. Up to Python
    3.12 a thread whose `join` was interrupted counts as ended while it still runs, and the next `join` returns at once:
    https://github.com/python/cpython/issues/90882.
    """

    def __init__(self, target: Callable[..., object], *args: Any, name: str) -> None:
        super().__init__(target=target, args=args, name=name, daemon=True)
        self._over = threading.Event()

    def run(self) -> None:
        """Do it."""
        try:
            super().run()
        finally:
            self._over.set()

    def start(self) -> None:
        """Start it; a Ctrl-C meanwhile comes through when it runs."""
        with _interrupt_put_off():
            super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, if it ever began; `is_alive` says whether it has."""
        if self.ident is not None and (not self.is_alive() or self._over.wait(timeout)):
            super().join()

    def is_alive(self) -> bool:
        """Whether it was started and has not ended."""
        return self in threading.enumerate()  # not in a forked child, where it is missing


@contextmanager
def _interrupt_put_off() -> Iterator[None]:
    """Until the block is left."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield  # handlers are called in the main thread only, and one that Python does not know could not be put back
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def step_back() -> None:
    """Let the calling thread's reads and writes come after those of all others, where the system has such an order."""
    number = _NUMBERS.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        # A system that refuses this serves all alike, and nothing else is different.
        ctypes.CDLL(None).syscall(number, *_CALLING_THREAD, _IDLE)
