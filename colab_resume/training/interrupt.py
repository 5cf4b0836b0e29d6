"""Ctrl-C, or the stop button of a notebook, in the middle of a step: held back until the step is complete.

At a boundary the state can be saved, so that whoever stops a training loses nothing; in mid-step it is neither the
one before nor the one after. So the first interrupt is noted, and the loop is left at the next boundary. It is not held
back where no step is under way, nor for longer than two steps may take: a validation is left where it is. The second
interrupt always comes through at once.

Python calls handlers of signals in the main thread only, between two instructions of its own
(https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers); a notebook's kernel sets its
handler anew for each cell, so this one is set at each boundary and put back when no loop is left. A loop that was left
by an exception never says so; but the code that runs it is not on the stack any more, and then nothing is held back.
"""

from __future__ import annotations

import inspect
import signal
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType

__all__ = ["HeldInterrupt"]

_PATIENCE = (5.0, 30.0)
_SAY_AFTER = 1.0
_PACKAGE = __name__.partition(".")[0]
_LEAD_LOOPS = {_PACKAGE, "accelerate", "lightning", "pytorch_lightning", "torch", "transformers"}
"""Whose code asks for the next turn on behalf of the user's code, which is the one that has to be running still."""
_FRAMEWORKS = f"{_PACKAGE}.frameworks."


class HeldInterrupt:
    """`may_hold` says whether a step is under way whose end can be waited for; `pace` how many seconds one takes: an
    interrupt is held back for twice as long, but for no less and no more seconds than `patience`. `tell` hears a line,
    from another thread, if that takes so long that somebody would wonder."""

    def __init__(
        self,
        *,
        may_hold: Callable[[], bool],
        pace: Callable[[], float],
        tell: Callable[[str], None],
        patience: tuple[float, float] = _PATIENCE,
    ) -> None:
        self._may_hold = may_hold
        self._pace = pace
        self._tell = tell
        self._patience = patience
        self._code: CodeType | None = None
        self._timers: list[threading.Timer] = []
        self.held = False
        """Whether there was an interrupt that has not come through yet."""

    def watch(self) -> None:
        """A loop runs from now on. Only the handler that Python brings is replaced: another one has its own reasons."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._code = _code_of_loop(sys._getframe())
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupted)

    def leave(self) -> None:
        """No loop runs any more: an interrupt that is held back is forgotten, and no other one is held back."""
        self._code = None
        self._forget()
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) == self._interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.held or not self._may_hold() or not _is_running(self._code, frame):
            self._forget()
            signal.default_int_handler(number, frame)
        self.held = True
        shortest, longest = self._patience
        seconds = min(longest, max(shortest, 2 * self._pace()))
        # Nothing is printed here: the code that was interrupted may be printing.
        line = f"stopping when this step is complete, or after {seconds:.0f} s (stop again: at once)"
        self._later(_SAY_AFTER, lambda: self._tell(line))
        self._later(seconds, self._interrupt_again)

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        timer.name = "colab_resume-interrupt"
        # In this order: another interrupt may come in between, and cancels what it finds here.
        self._timers.append(timer)
        timer.start()

    def _forget(self) -> None:
        # In this order: another interrupt may come at any point, and as long as one is held it starts no new timers.
        while self._timers:
            self._timers[-1].cancel()
            self._timers.pop()
        self.held = False

    def _interrupt_again(self) -> None:
        # To the main thread itself: it may wait in a system call, which only its own signal ends.
        ident = threading.main_thread().ident
        if self.held and ident is not None:
            signal.pthread_kill(ident, signal.SIGINT)


def _code_of_loop(frame: FrameType | None) -> CodeType | None:
    """The code whose `for` asks us for the next turn, also through generators such as tqdm's, which are not on the
    stack while the body of the loop runs. Where a framework owns the loop: our own code that called the framework."""
    asking = calling = None
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:
            if module.startswith(_FRAMEWORKS):
                calling = frame.f_code
            elif module.partition(".")[0] not in _LEAD_LOOPS:
                asking = asking or frame.f_code
        frame = frame.f_back
    return calling or asking


def _is_running(code: CodeType | None, frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
