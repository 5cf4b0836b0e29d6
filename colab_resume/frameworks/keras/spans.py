"""Epochs of `steps_per_epoch` steps, where the data go on from one epoch to the next.

As in Keras: an epoch takes up where the last one ended, and ends early where the data do; data without an end are
counted on and on. What an epoch begins with is computed from its number, and the order of each round through the data
from a seed that is saved. So nothing has to be drawn again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Sampler

from ...training.data.randomness import mixed

__all__ = ["Spans"]


class Spans(Sampler[Any]):
    """The index lists of one epoch, or its batch numbers if `size` is None.

    `items`: how many samples, or batches, there are in all; None for no end. `shuffle`: False, True or "batch".
    """

    def __init__(self, items: int | None, size: int | None, steps: int, shuffle: bool | str, *, seed: int) -> None:
        self._items = items
        self._size = size
        self._steps = steps
        self._shuffle = shuffle
        self._rounds = None if items is None else -(-items // (size or 1))
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        _, first, last = self._span()
        return last - first

    def __iter__(self) -> Iterator[Any]:
        number, first, last = self._span()
        if self._items is None:
            yield from range(first, last)
            return
        seed = mixed(self.seed, number)
        order = _permutation(self._items, seed) if self._shuffle is True else torch.arange(self._items)
        for batch in range(first, last):
            if self._size is None:
                yield int(order[batch])
                continue
            indices = order[batch * self._size : (batch + 1) * self._size]
            if self._shuffle == "batch":
                indices = indices[_permutation(len(indices), mixed(seed, batch))]
            yield indices.tolist()

    def _span(self) -> tuple[int, int, int]:
        """The number of the round, and its first and last batch in this epoch."""
        if self._rounds is None:
            return 0, self.epoch * self._steps, (self.epoch + 1) * self._steps
        parts = -(-self._rounds // self._steps)  # epochs that one round takes
        number, part = divmod(self.epoch, parts)
        return number, part * self._steps, min((part + 1) * self._steps, self._rounds)


def _permutation(size: int, seed: int) -> torch.Tensor:
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))
