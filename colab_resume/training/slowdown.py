"""How much longer steps take while a save is under way: the cost of saving that no stall shows.

Steps beside which nothing is written or sent say how long a step takes; what others take longer is put on the bill.
"""

from __future__ import annotations

__all__ = ["Slowdown"]

_WEIGHT = 0.1
"""Of the newest undisturbed step in the running mean: some dozens of steps are remembered."""


class Slowdown:
    """Told of each step by the loop; asked for the bill whenever a save is over."""

    def __init__(self) -> None:
        self._usual: float | None = None
        self._owed = 0.0
        self.seconds = 0.0
        """All that was ever on the bill."""

    def note(self, seconds: float, *, disturbed: bool) -> None:
        """A step took so long, while a save was under way or not."""
        if not disturbed:
            self._usual = seconds if self._usual is None else self._usual + _WEIGHT * (seconds - self._usual)
        elif self._usual is not None:
            # A step that happened to be short pays back: else noise alone would add up.
            self._owed += seconds - self._usual

    def settle(self) -> float:
        """What has come together since this was asked last, in seconds; never less than nothing."""
        bill, self._owed = max(0.0, self._owed), 0.0
        self.seconds += bill
        return bill
