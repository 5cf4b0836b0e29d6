"""The numbers that were logged last, and the metric whose best checkpoint is kept.

A checkpoint is rated only by a value that was measured with its own state. So a better one asks for a checkpoint of the
very boundary that comes next, and one that is made later does not carry it. A metric that nearly every step measures
asks for less: of those checkpoints that come about without waiting the best is kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..checkpoints.retention import Best
from ..training.journal import Scalar

__all__ = ["Measured"]

_RARE_STEPS = 20
"""A value that was not measured for so long is worth waiting for, also in the middle of an epoch."""


class Measured:
    """Of one session; `known`: the numbers of the checkpoint that it goes on from."""

    def __init__(self, known: Mapping[str, float]) -> None:
        self.best: Best | None = None
        self.counts_now = False
        """Whether the state of the next boundary is the best one so far, and no later one will do."""
        self._numbers = dict(known)
        self._is_own = False
        self._last_step: int | None = None

    def note(self, values: Mapping[str, Scalar], *, step: int, in_step: bool) -> bool:
        """What was logged at this step, in the middle of it or between two; whether it is the best so far."""
        numbers = {key: float(value) for key, value in values.items() if isinstance(value, (int, float))}
        self._numbers.update(numbers)
        if self.best is None or self.best.metric not in numbers:
            return False
        name, number = f"best {self.best.metric}", numbers[self.best.metric]
        is_rare = not in_step or self._last_step is None or step - self._last_step >= _RARE_STEPS
        self._is_own, self._last_step = True, step
        before = self._numbers.get(name)
        if before is not None and not (number < before if self.best.mode == "min" else number > before):
            return False
        self._numbers[name] = number
        self.counts_now = is_rare
        return True

    def numbers(self) -> dict[str, float]:
        """Those that a checkpoint of this boundary carries."""
        left_out = self.best.metric if self.best is not None and not self._is_own else None
        return {name: number for name, number in self._numbers.items() if name != left_out}

    def pass_by(self) -> None:
        """A boundary is over: the next step changes what was measured."""
        self._is_own = self.counts_now = False
