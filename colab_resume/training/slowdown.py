"""How much longer steps take beside a save: the cost of saving that no stall shows.

Steps beside which nothing is written or sent say how long a step takes, the newest fifty of them, so that it may change
in the course of a training. What others take longer is put on the bill. A validation inside a step, a first step that
compiles, a hiccup of the data: what takes far longer than usual has another reason, and counts only as a long step.
That holds for both kinds alike, so that what happens to either by chance adds up to nothing.
"""

from __future__ import annotations

from collections import deque
from statistics import fmean, median

__all__ = ["Slowdown"]

_FEWEST = 5
"""Undisturbed steps that must have been seen before others are held against them."""


class Slowdown:
    """Told of each step by the loop; asked for the bill whenever a save is over."""

    def __init__(self) -> None:
        self._undisturbed: deque[float] = deque(maxlen=50)
        self._begun = False
        self._longest = self._owed = 0.0
        self.seconds = 0.0
        """All that was ever on the bill."""

    def save_begins(self) -> None:
        """The next step has a save beside it, even if that is over before the step is."""
        self._begun = True

    def note(self, seconds: float, *, busy: bool) -> None:
        """A step took so long; `busy`: at its end something was being written or sent."""
        disturbed, self._begun = busy or self._begun, busy
        if not disturbed:
            self._undisturbed.append(seconds)
        elif len(self._undisturbed) >= _FEWEST:
            # Under 50 ms a save can well take several steps' time, and then that is what it costs.
            self._longest = 3 * median(self._undisturbed) + 0.05
            usual = fmean(min(one, self._longest) for one in self._undisturbed)
            self._owed += min(seconds, self._longest) - usual

    def settle(self) -> float:
        """What has come together since this was asked last, in seconds; never less than nothing."""
        bill = max(0.0, self._owed)
        # Steps that happened to be short pay back what others cost by chance, this time or later: else noise would add
        # up. But not more than one long step: else luck would hide for hours what saving begins to cost.
        self._owed = max(self._owed - bill, -self._longest)
        self.seconds += bill
        return bill
