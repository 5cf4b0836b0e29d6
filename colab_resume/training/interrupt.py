"""Ctrl-C, or the stop button of a notebook, in the middle of a step: held back until the step is complete.

At a boundary the state can be saved, so that whoever stops a training loses nothing; in mid-step it is neither the
one before nor the one after. So the first interrupt is noted, and the loop is left at the next boundary. It is not held
back where no step is under way, nor for longer than two steps may take: a validation is left where it is. The second
interrupt always comes through at once.

Python calls handlers of signals in the main thread only, between two instructions of its own
(https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers); a notebook's kernel sets its
handler anew for each cell, so this one is set at each boundary and put back when no loop is left. A loop that was left
by an exception never says so; but the code that runs it is not on the stack any more, and then nothing is held back.

The next interrupt may come while the handler runs for this one, at whatever line of Python's own modules it is in
there. So the handler starts no thread and takes no lock: a thread stands by and gets its news through a queue whose
`put` may be interrupted by another one (https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put). A forked
child lacks that thread: there the first interrupt waits for the boundary or for the second one.
"""

from __future__ import annotations

import inspect
import math
import signal
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import CodeType, FrameType

from ..background import BackgroundThread

__all__ = ["HeldInterrupt"]

_PATIENCE = (5.0, 30.0)
_SAY_AFTER = 1.0
_NONE_HELD, _OVER = 0.0, math.inf
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
        self._news: SimpleQueue[float] = SimpleQueue()
        self._thread: BackgroundThread | None = None
        self.held = False
        """Whether there was an interrupt that has not come through yet."""

    def watch(self) -> None:
        """A loop runs from now on. Only the handler that Python brings is replaced: another one has its own reasons."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._code = _code_of_loop(sys._getframe())
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            if self._thread is None or not self._thread.is_alive():
                self._news = SimpleQueue()  # the old one may still tell an earlier thread to end
                self._thread = BackgroundThread(self._stand_by, self._news, name="colab_resume-interrupt")
                self._thread.start()
            signal.signal(signal.SIGINT, self._interrupted)

    def leave(self) -> None:
        """No loop runs any more: an interrupt that is held back is forgotten, and no other one is held back."""
        self._code = None
        self._forget()
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) == self._interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def close(self) -> None:
        """End the thread, until a loop runs again."""
        self.leave()
        if self._thread is not None:
            self._news.put(_OVER)
            self._thread.join()
            self._thread = None

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        hold = self._may_hold() and _is_running(self._code, frame)
        another, self.held = self.held, True
        if another or not hold:
            self._forget()
            signal.default_int_handler(number, frame)
        shortest, longest = self._patience
        # Nothing is printed here: the code that was interrupted may be printing.
        self._news.put(min(longest, max(shortest, 2 * self._pace())))

    def _forget(self) -> None:
        # In this order: another interrupt may come in between, and finds one that is held.
        if self.held:
            self._news.put(_NONE_HELD)
            self.held = False

    def _stand_by(self, news: SimpleQueue[float]) -> None:
        """In a thread of its own. The news: for how many seconds an interrupt is held back, or one of the constants."""
        seconds = news.get()
        while seconds != _OVER:
            seconds = news.get() if seconds == _NONE_HELD else self._wait(seconds, news)

    def _wait(self, seconds: float, news: SimpleQueue[float]) -> float:
        """Say after a while what is waited for, and interrupt again after so many seconds; returns the next news."""
        for passing, then in ((_SAY_AFTER, self._say), (seconds - _SAY_AFTER, self._interrupt_again)):
            try:
                return news.get(timeout=max(0.0, passing))
            except Empty:
                then(seconds)
        return _NONE_HELD

    def _say(self, seconds: float) -> None:
        try:
            self._tell(f"stopping when this step is complete, or after {seconds:.0f} s (stop again: at once)")
        except Exception:  # noqa: BLE001 - where nobody can read it the interrupt comes through all the same
            return

    def _interrupt_again(self, _seconds: float) -> None:
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
