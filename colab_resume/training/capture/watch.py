"""A watch over memory from a boundary on: by torch's counts of changes, and by samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

import torch

from .samples import Samples
from .spots import Spot

__all__ = ["Watch", "versions"]


class Watch:
    """Over some spots; `begin` is said at the boundary. `changed`: those whose copy may show something else.

    `places`: where the counts of these spots stand among those of their plan.
    """

    def __init__(self, spots: Sequence[Spot], places: Sequence[int]) -> None:
        self._spots = spots
        self._sources = [spot.source for spot in spots]
        self._samples = Samples(spots)
        self._places = places
        self._versions: Sequence[int] = ()
        self.changed: list[Spot] = []

    def begin(self, counts: Sequence[int]) -> None:
        """This is the state to be copied; `counts` are those of the plan."""
        self.changed = []
        self._versions = [counts[place] for place in self._places]
        self._samples.take()

    def look_at_versions(self) -> None:
        """Before anything else may happen to what was copied."""
        now = versions(self._sources)
        if now != self._versions:
            pairs = zip(self._spots, self._versions, now, strict=True)
            self.changed += [spot for spot, before, after in pairs if before != after]

    def look_at_samples(self) -> None:
        """Once the copies are there."""
        self.changed += self._samples.changed()


def versions(sources: Iterable[torch.Tensor]) -> list[int]:
    """How often torch has seen each of them change."""
    return list(map(attrgetter("_version"), sources))
