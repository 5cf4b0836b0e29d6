"""A few numbers of each tensor as they are at the boundary, to be held against the copy that is made later.

Torch counts changes of a tensor, but not those that go through `.data`. Whoever changes a whole tensor that way changes
its samples, too. Where there are very many tensors, the largest are looked at each time and the others in turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .spots import Spot

__all__ = ["Samples"]

_POINTS = 64
_ALWAYS = 256
_IN_TURN = 256


class Samples:
    """Of these spots; `take` and `changed` go in turns."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        by_size = sorted((spot for spot in spots if spot.piece.nbytes), key=lambda spot: -spot.piece.nbytes)
        rest = by_size[_ALWAYS:]
        self._large = _Sample(by_size[:_ALWAYS])
        self._small = [rest[begin : begin + _IN_TURN] for begin in range(0, len(rest), _IN_TURN)]
        self._turns: dict[int, _Sample] = {}
        self._number = 0

    def take(self) -> None:
        """Now, at the boundary."""
        self._large.take()
        if self._small:
            self._number = (self._number + 1) % len(self._small)
            if self._number not in self._turns:
                self._turns[self._number] = _Sample(self._small[self._number])
            self._turns[self._number].take()

    def changed(self) -> list[Spot]:
        """Those whose copy is not what was sampled."""
        small = self._turns.get(self._number)
        return [*self._large.changed(), *(small.changed() if small else [])]


class _Sample:
    """Of some spots, gathered by element type and device, since one call then reads all of them."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        groups: dict[Any, list[_Points]] = defaultdict(list)
        for number, spot in enumerate(spots):
            groups[spot.source.dtype, spot.source.device].append(_Points(spot, number))
        self._groups = list(groups.values())
        self._taken: list[torch.Tensor] = []

    def take(self) -> None:
        self._taken = [torch.cat([points.live() for points in group]) for group in self._groups]

    def changed(self) -> list[Spot]:
        return [spot for group, taken in zip(self._groups, self._taken, strict=True) for spot in _changed(group, taken)]


class _Points:
    """Evenly spread over one tensor; each tensor's begin elsewhere."""

    def __init__(self, spot: Spot, number: int) -> None:
        self.spot = spot
        self.count = min(spot.source.numel(), _POINTS)
        step = spot.source.numel() // self.count
        self._places = slice(number % step, number % step + step * self.count, step)
        self._view = spot.source.reshape(-1)[self._places] if spot.source.is_contiguous() else None
        self._index: tuple[torch.Tensor, ...] = ()
        if self._view is None:
            axes = np.unravel_index(np.arange(self._places.start, self._places.stop, step), spot.source.shape)
            self._index = tuple(torch.from_numpy(axis).to(spot.source.device) for axis in axes)

    def live(self) -> torch.Tensor:
        return self.spot.source[self._index] if self._view is None else self._view

    def copied(self) -> torch.Tensor:
        # Where nothing was copied, the piece itself stands for its copy.
        return self.spot.target.reshape(-1)[self._places] if self.spot.fresh else self.live().cpu()


def _changed(group: Sequence[_Points], taken: torch.Tensor) -> list[Spot]:
    before, after = _bits(taken.cpu()), _bits(torch.cat([points.copied() for points in group]))
    if torch.equal(before, after):
        return []
    sizes = [points.count * taken.element_size() for points in group]
    pairs = zip(group, before.split(sizes), after.split(sizes), strict=True)
    return [points.spot for points, one, other in pairs if not torch.equal(one, other)]


def _bits(values: torch.Tensor) -> torch.Tensor:
    return values.view(torch.uint8)
