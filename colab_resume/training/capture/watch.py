"""A watch over memory from a boundary on: by torch's count of changes, and by samples."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from .samples import Samples
from .spots import Spot

__all__ = ["Watch"]


class Watch:
    """Over some spots; `begin` is said at the boundary. `changed`: those whose copy may show something else."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._spots = spots
        self._sources = [spot.source for spot in spots]
        self._samples = Samples(spots)
        self._versions: list[int] = []
        self.changed: list[Spot] = []

    def begin(self) -> None:
        """This is the state to be copied."""
        self.changed = []
        self._versions = self._count()
        self._samples.take()

    def look_at_versions(self) -> None:
        """Before anything else may happen to what was copied."""
        now = self._count()
        if now != self._versions:
            pairs = zip(self._spots, self._versions, now, strict=True)
            self.changed += [spot for spot, before, after in pairs if before != after]

    def look_at_samples(self) -> None:
        """Once the copies are there."""
        self.changed += self._samples.changed()

    def _count(self) -> list[int]:
        return list(map(attrgetter("_version"), self._sources))
