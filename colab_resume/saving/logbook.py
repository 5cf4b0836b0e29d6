"""What a training logs: told to the history, to what rates checkpoints by it, and to whoever looks.

Numbers may be announced before they are there, as a device still computes them. They belong to the step that announced
them, and are read when the next ones come, and before the state of their step is captured: so the loop need not wait
for them in each step, and no checkpoint is without the numbers of its own step.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ..training.journal import Scalar
from ..training.loops import Loops
from .session import Saving

__all__ = ["Logbook"]

_Values = Mapping[str, Scalar]


@dataclass(frozen=True)
class _Moment:
    """Where the training was: the number of its step, how many were done, and whether one was under way."""

    step: int
    epoch: int | None
    done: int
    in_step: bool


class Logbook:
    """Of one run; `saving` gives the session that saves now."""

    def __init__(self, loops: Loops, saving: Callable[[], Saving]) -> None:
        self._loops = loops
        self._saving = saving
        self._announced: tuple[_Moment, Callable[[], _Values]] | None = None

    def log(self, values: _Values) -> None:
        """These are the numbers of the step that is under way, or of the last one."""
        self.read()
        if (moment := self._now()) is not None:
            self._note(moment, values)

    def announce(self, names: Collection[str], values: Callable[[], _Values]) -> None:
        """The same, of what `values` will return under these names; it may wait for that. A number that rates
        checkpoints is read at once."""
        self.read()
        if (moment := self._now()) is not None:
            self._announced = moment, values
            best = self._saving().measured.best
            if best is not None and best.metric in names:
                self.read()

    @property
    def waits(self) -> bool:
        """Whether something was announced that is not read yet."""
        return self._announced is not None

    def read(self) -> None:
        """What was announced is logged now; raises what reading it raises, once."""
        if self._announced is None:
            return
        moment, values = self._announced
        try:
            numbers = values()
        except Exception:  # after Ctrl-C it may be read again
            self._announced = None
            raise
        self._announced = None
        self._note(moment, numbers)

    def forget(self) -> None:
        """What was announced belongs to a session that is over."""
        self._announced = None

    def _now(self) -> _Moment | None:
        """None if this code runs again: what it logged is in the history already."""
        loops, cursor = self._loops, self._loops.cursor
        if loops.on_the_way_back or cursor.is_known():
            return None
        return _Moment(loops.current_step, cursor.epoch, cursor.step, loops.in_step)

    def _note(self, moment: _Moment, values: _Values) -> None:
        saving = self._saving()
        record = saving.journal.log(moment.step, values, epoch=moment.epoch)
        saving.replay.observe(record)
        saving.curve.observe(record.step, record.values)
        if saving.measured.note(values, step=moment.done, in_step=moment.in_step):
            saving.ask(None)
