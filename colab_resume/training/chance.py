"""All that draws in a training: the global generators, and those that are tracked.

The promise: whatever code draws where it is run again after a restart, between `setup` and the first loop, before the
first batch of an epoch or behind a loop, it draws as it did the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .data import randomness
from .tracking import Tracking

__all__ = ["Chance"]

_TRACKED = "tracked"


class Chance:
    """Of one run."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._at_setup: Any = randomness.capture()
        self._at_end: Callable[[], Any] | None = None

    def state(self) -> dict[str, Any]:
        """How the generators stood at `setup`, and when they were tracked."""
        return {"setup": self._at_setup, "stood": self._tracking.stood()}

    def go_back_to_setup(self, saved: Mapping[str, Any]) -> None:
        """As it was in the life whose `state` this is."""
        self._at_setup, self._tracking.stood_then = saved["setup"], saved["stood"]
        randomness.restore(self._at_setup)

    def loop_ended(self) -> None:
        """What is drawn from here on is drawn again, so checkpoints hold how the generators stand now."""
        self._at_end, self._tracking.stood_at_end = randomness.hold(), self._tracking.chance()

    def loop_goes_on(self) -> None:
        """Checkpoints hold again how they stand when they are made."""
        self._at_end, self._tracking.stood_at_end = None, {}

    def hold(self) -> Callable[[], Any]:
        """What a checkpoint holds of the global ones, told when it is asked."""
        return self._at_end or randomness.hold()

    def now(self) -> dict[str, Any]:
        """How all of them stand."""
        return {**randomness.capture(), _TRACKED: self._tracking.chance()}

    def put_back(self, chance: dict[str, Any]) -> None:
        """What `now` gave."""
        randomness.restore(chance)
        self._tracking.stand(chance[_TRACKED])
