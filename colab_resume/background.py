"""How a thread that works beside the training steps back: the disk serves it when nobody else wants it.

Its niceness stays as it is, on purpose. Python runs one thread at a time: one that is seldom given the processor while
it holds the interpreter keeps the training waiting, for a second and more where 20 ms would do (`python -m benchmarks
--only niceness`). What is heavy here (copies, digests, the disk) is done without the interpreter, and is little.
"""

from __future__ import annotations

import ctypes
import platform
import sys

__all__ = ["step_back"]

# Neither Python nor the C library has a function for it. https://man7.org/linux/man-pages/man2/ioprio_set.2.html
_NUMBERS = {"x86_64": 251, "aarch64": 30}
_CALLING_THREAD = (1, 0)
_IDLE = 3 << 13


def step_back() -> None:
    """Let the calling thread's reads and writes come after those of all others, where the system has such an order."""
    number = _NUMBERS.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        # A system that refuses this serves all alike, and nothing else is different.
        ctypes.CDLL(None).syscall(number, *_CALLING_THREAD, _IDLE)
