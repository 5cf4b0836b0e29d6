"""The end that is known beforehand: a VM that lives 12 hours at most is gone then, whatever runs on it.

Some minutes before, the newest state is saved and brought to safety while somebody still can; the training goes on
after that, and what it does in the last minutes is saved as always. How early depends on how long an upload has taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["SessionLimit"]

_LEAST_LEAD = 120.0
_UPLOADS = 3.0
"""An upload may take so many times as long as the last ones did."""
_TOLD_AT = (1800.0, 600.0)
"""Seconds before the end at which it is said that it comes."""


class SessionLimit:
    """`seconds` after `began`, which like `clock` counts seconds since 1970, the session ends; None: nobody knows."""

    def __init__(self, seconds: float | None, *, began: float, clock: Callable[[], float] = time.time) -> None:
        self._end = None if seconds is None else began + seconds
        self._clock = clock
        self._done = False
        left = self.left
        # What lies behind already is not told afterwards.
        self._to_tell = [at for at in _TOLD_AT if left is not None and left > at]

    @property
    def left(self) -> float | None:
        """Seconds until then; never negative."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def is_near(self, upload_seconds: float) -> bool:
        """Whether it is time to bring the newest state to safety; true until `done`. An upload takes so long now."""
        left = self.left
        return left is not None and not self._done and left <= max(_LEAST_LEAD, _UPLOADS * upload_seconds + 60.0)

    def done(self) -> None:
        """The newest state was brought to safety, as far as that went."""
        self._done = True

    def news(self) -> float | None:
        """The seconds that are left, if it is time to say so; each time once."""
        left = self.left
        due = [at for at in self._to_tell if left is not None and left <= at]
        self._to_tell = [at for at in self._to_tell if at not in due]
        return left if due else None
