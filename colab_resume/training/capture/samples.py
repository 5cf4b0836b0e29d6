"""Some bytes of each tensor as they are at the boundary, to be held against the copy that is made later.

Torch counts changes of a tensor, but not those that go through `.data`. Whoever changes a whole tensor that way changes
its samples, too. Where there are very many tensors, the largest are looked at each time and the others in turn.

The training waits for this, and what it waits for is memory that is in no cache. So whole lines of a cache are taken:
they hold more, and come as quickly as one number of each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...checkpoints.encoding.fresh import Bytes
from .spots import Spot

__all__ = ["Samples"]

_LINE = 64
_LINES = 16
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
    """Of some spots, gathered so that one call reads many of them."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        raw = [spot for spot in spots if spot.raw is not None]
        long = [spot for spot in raw if spot.piece.nbytes > _LINES * _LINE]
        short = [spot for spot in raw if spot.piece.nbytes <= _LINES * _LINE]
        others: dict[Any, list[_Points]] = defaultdict(list)
        for number, spot in enumerate(spots):
            if spot.raw is None:
                others[spot.source.dtype, spot.source.device].append(_Points(spot, number))
        self._groups = [_Lines(some) for some in (long, short) if some] + [_Elsewhere(some) for some in others.values()]

    def take(self) -> None:
        for group in self._groups:
            group.take()

    def changed(self) -> list[Spot]:
        return [spot for group in self._groups for spot in group.changed()]


class _Lines:
    """Of what lies on the CPU in one stretch: all of what is short, some lines of what is long."""

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._spots = spots
        self._live = [_lines(spot.raw, number) for number, spot in enumerate(spots) if spot.raw is not None]
        self._taken: Bytes = np.empty_like(np.concatenate(self._live))

    def take(self) -> None:
        np.concatenate(self._live, out=self._taken)

    def changed(self) -> list[Spot]:
        # Where nothing was copied, the piece itself stands for its copy.
        copied = [
            _lines(spot.staged, number) if spot.fresh else live
            for number, (spot, live) in enumerate(zip(self._spots, self._live, strict=True))
        ]
        now = np.concatenate(copied)
        if np.array_equal(now, self._taken):
            return []
        ends = np.cumsum([len(live) for live in self._live])[:-1]
        pairs = zip(self._spots, np.split(self._taken, ends), np.split(now, ends), strict=True)
        return [spot for spot, one, other in pairs if not np.array_equal(one, other)]


def _lines(raw: Bytes, number: int) -> Bytes:
    """Evenly spread over one tensor; each tensor's begin elsewhere."""
    if raw.nbytes <= _LINES * _LINE:
        return raw
    step = raw.nbytes // _LINES // _LINE * _LINE
    begin = number * _LINE % step
    return raw[: _LINES * step].reshape(_LINES, step)[:, begin : begin + _LINE]


class _Elsewhere:
    """Of one element type on one device, numbers."""

    def __init__(self, group: Sequence[_Points]) -> None:
        self._group = group
        self._taken = torch.empty(0)

    def take(self) -> None:
        self._taken = torch.cat([points.live() for points in self._group])

    def changed(self) -> list[Spot]:
        before, after = _bits(self._taken.cpu()), _bits(torch.cat([points.copied() for points in self._group]))
        if torch.equal(before, after):
            return []
        sizes = [points.count * self._taken.element_size() for points in self._group]
        pairs = zip(self._group, before.split(sizes), after.split(sizes), strict=True)
        return [points.spot for points, one, other in pairs if not torch.equal(one, other)]


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
        # The same as above.
        return self.spot.target.reshape(-1)[self._places] if self.spot.fresh else self.live().cpu()


def _bits(values: torch.Tensor) -> torch.Tensor:
    return values.view(torch.uint8)
