"""The plan of a capture: the spots of all parts whose form is steady, made once and used until the form changes."""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import chain, compress, islice
from operator import eq, is_

from ...checkpoints.encoding import Piece
from .division import Division, Trust, divide
from .spots import lay_out
from .staging import Staging
from .watch import versions

__all__ = ["Plan"]

_REMEMBERED = 8


class Plan:
    """`parts` are the pieces of each part; `start` is where in the staging its place begins; `owned`: see `divide`."""

    def __init__(self, parts: Sequence[tuple[Piece, ...]], start: int, owned: Set[int]) -> None:
        self._pieces = list(parts)
        spots, self.end = lay_out(list(chain.from_iterable(parts)), start)
        self.spots = spots
        ordered = iter(spots)
        self.parts = [list(islice(ordered, len(pieces))) for pieces in parts]
        """The spots of each part."""
        self.on_gpu = any(spot.source.is_cuda for spot in spots)
        self._owned = owned
        # Inference tensors have no count of changes.
        self._counted = [spot for spot in spots if not spot.source.is_inference()]
        self._places = {spot: place for place, spot in enumerate(self._counted)}
        self._sources = [spot.source for spot in self._counted]
        self._before: list[int] = []
        self._divisions: dict[object, Division] = {}
        self._edition = -1

    def is_for(self, parts: Sequence[tuple[Piece, ...]]) -> bool:
        """Whether these are the very pieces that it was made for."""
        return len(parts) == len(self._pieces) and all(map(is_, parts, self._pieces))

    def settle(self, staging: Staging) -> None:
        """Know where all copies lie."""
        if self._edition != staging.edition:
            self._edition = staging.edition
            self._divisions.clear()
            for spot in self.spots:
                spot.settle(staging)

    def divide(self, trust: Trust, *, step_follows: bool) -> Division:
        """What is copied when. Call it once for each capture: it looks at what has changed since the last one."""
        now = versions(self._sources)
        still = bytes(map(eq, now, self._before)) if self._before else b""
        self._before = now
        key = step_follows, trust.edition, still
        if key not in self._divisions:
            if len(self._divisions) >= _REMEMBERED:
                self._divisions.clear()
            unmoved = set(compress(self._counted, still))
            self._divisions[key] = divide(
                self.spots, unmoved, self._owned, trust, step_follows=step_follows, places=self._places
            )
        division = self._divisions[key]
        division.counts = now
        return division

    def forget(self) -> None:
        """Nothing of it counts as saved any more."""
        for spot in self.spots:
            spot.digest = ""
