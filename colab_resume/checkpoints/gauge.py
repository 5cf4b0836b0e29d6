"""How far an upload is, counted by the thread that uploads and read by anybody: each value is whole by itself."""

from __future__ import annotations

from collections.abc import Callable

from ..status import Sending

__all__ = ["Gauge"]


class Gauge:
    """Of one upload after the other; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = 0.0
        self.value: Sending | None = None
        """None while nothing is sent."""

    def begin(self, step: int, size: int) -> None:
        """So many bytes are to be sent of the checkpoint of this step."""
        self._begun = self._clock()
        self.value = Sending(step=step, sent=0, size=size, seconds=0.0) if size else None

    def advance(self, count: int) -> None:
        """So many more are on their way; fewer than none if some are to be sent again."""
        if (now := self.value) is not None:
            seconds = max(0.0, self._clock() - self._begun)
            self.value = Sending(step=now.step, sent=now.sent + count, size=now.size, seconds=seconds)

    def end(self) -> None:
        """Nothing is sent any more."""
        self.value = None
