"""When a training is left before its end: by Ctrl-C, by an exception, or because the session's time is nearly over.

Ctrl-C waits for the boundary, where the state can be saved (`training/interrupt.py`). After an exception in the middle
of a step there is no state of a boundary any more; then what was captured last is brought to safety. Either way the
newest checkpoint is waited for, for so many seconds; a second Ctrl-C skips that.
"""

from __future__ import annotations

import atexit
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .colab.cells import has_cells, watch_cells
from .display.tables import duration
from .display.text import say, warn
from .saving import Saving, part
from .sessions.failing import failure
from .sessions.identity import Ending
from .training.edited import Edited
from .training.interrupt import HeldInterrupt
from .training.loops import Loops

__all__ = ["Leaving"]

_PART_SECONDS = 20.0
"""How long the remote is waited for when a training is left; an upload goes on in the background after that."""
_EXIT_SECONDS = 30.0
"""How long when the process ends, for nothing goes on after that."""
_WATCH_SECONDS = 0.25
"""Between two looks at who has the handler of interrupts: one takes as long as all else at a boundary."""
_RESERVE = 10.0
"""Seconds that are left over when a session's last checkpoint is waited for."""


class Leaving:
    """Of one run. `saving` gives the session; `save` captures the state at this boundary, and says whether it could.

    `tracked` gives the objects by name. `edited` says what was changed in them by hand since the training was stopped.
    """

    def __init__(
        self,
        name: str,
        loops: Loops,
        *,
        saving: Callable[[], Saving],
        save: Callable[[], bool],
        tracked: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._name = name
        self._loops = loops
        self._saving = saving
        self._pid = os.getpid()
        self._watch_at = -math.inf
        self._close: Callable[[], None] = lambda: None
        self._unwatch_cells: Callable[[], None] = lambda: None
        self._before_cell = ("", 0)
        self._save = save
        self.edited = Edited(tracked)
        self._interrupt = HeldInterrupt(
            may_hold=lambda: loops.may_be_in_a_step, pace=lambda: saving().pace, tell=self._say
        )

    def watch(self, close: Callable[[], None]) -> None:
        """Notice from now on when a cell or the process ends; at exit `close` is called once all is done."""
        self._close = close
        atexit.register(self.at_exit)
        self._unwatch_cells = watch_cells(self._cell_begins, self._cell_ended)

    def unwatch(self) -> None:
        """The run is closed; again is harmless."""
        self._watch_at = -math.inf
        self._interrupt.close()
        self._unwatch_cells()
        atexit.unregister(self.at_exit)

    def at_boundary(self, now: float, *, savable: bool, over: bool) -> None:
        """The end of a boundary, at `now` seconds by any clock; `over`: no loop is open any more.

        Raises `KeyboardInterrupt` if one was held back.
        """
        if self._interrupt.held and ((savable and self._save()) or over):
            self.forget()
            self._loops.stop()
            self.edited.stand()
            self.left("interrupted")
            raise KeyboardInterrupt
        if over:
            self.forget()
        elif now >= self._watch_at:
            self._watch_at = now + _WATCH_SECONDS
            self._interrupt.watch()
        if savable:
            self._mind_the_limit()

    def forget(self) -> None:
        """No loop runs any more, so nothing has to be held back."""
        self._watch_at = -math.inf
        self._interrupt.leave()

    def left(self, how: Ending, error: str = "") -> None:
        """The training was left so: bring to safety what there is, and say how far that went."""
        parting = part(self._saving(), how, seconds=_PART_SECONDS, error=error, tell=self._say)
        self._say(f"{parting.line}; run the cell again to go on from there")

    def at_exit(self) -> None:
        """A courtesy of a process that ends in peace; one that is killed loses nothing that was safe."""
        if os.getpid() != self._pid:
            return
        if not self._saving().ended:
            # A notebook's cells have said by what they ended; what the interpreter kept of them may be old.
            error = getattr(sys, "last_value", None) if self._was_left and not has_cells() else None
            how, why = _ending(error) if error is not None else ("exited", "")
            lacking = part(self._saving(), how, seconds=_EXIT_SECONDS, error=why).lacking
            if lacking:
                warn(f"{self._name}: {lacking}")
        self._close()

    def _cell_begins(self) -> None:
        self._watch_at = -math.inf  # the kernel has put its own handler back
        self._before_cell = self._here
        self._loops.ended.cell_begins()

    def _cell_ended(self, error: BaseException | None) -> None:
        """In a notebook an exception ends a cell and no process."""
        if error is not None:
            self._loops.ended.failed()
        stepped = self._here != self._before_cell
        if error is not None and stepped and self._was_left and not self._saving().ended and os.getpid() == self._pid:
            self.left(*_ending(error))

    @property
    def _here(self) -> tuple[str, int]:
        """A cell that is run again goes back in a new session, and may fail at the same step as before."""
        return self._saving().session, self._loops.cursor.step

    @property
    def _was_left(self) -> bool:
        """Whether a loop is open, or was left before its end, or says itself what its steps are."""
        return self._loops.may_be_in_a_step or not self._loops.settled

    def _mind_the_limit(self) -> None:
        saving = self._saving()
        limit = saving.limit
        if limit.left is None:
            return
        if (left := limit.news()) is not None:
            self._say(f"about {duration(left)} are left of session_limit={saving.options.session_limit!r}")
        if limit.is_near(saving.cadence.upload_seconds) and self._save():
            limit.done()
            seconds = max(0.0, (limit.left or 0.0) - _RESERVE)
            parting = part(saving, None, seconds=seconds, tell=self._say)
            self._say(f"the session ends in {duration(limit.left or 0.0)}: {parting.line}; the training goes on")

    def _say(self, line: str) -> None:
        say(f"{self._name} · {line}")


def _ending(error: BaseException) -> tuple[Ending, str]:
    """How a session ended that this has left, and why."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", ""
    return "failed", failure(error)
