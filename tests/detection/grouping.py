"""Batches of pictures of like shape, in the order in which chance fills them: what is read ahead waits in buffers."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from torch.utils.data import Sampler

__all__ = ["GroupedBatchSampler", "groups_by_ratio"]


def groups_by_ratio(ratios: Iterable[float], edges: Sequence[float]) -> list[int]:
    """For each width-to-height ratio the number of the interval that it lies in."""
    return [bisect_right(edges, ratio) for ratio in ratios]


class GroupedBatchSampler(Sampler[list[int]]):
    """Hands out a batch as soon as one group has enough; a group with some left fills up with what it had before."""

    def __init__(self, sampler: Sampler[int], groups: Sequence[int], batch_size: int) -> None:
        self._sampler = sampler
        self._groups = groups
        self._batch_size = batch_size

    def __len__(self) -> int:
        return sum(-(-size // self._batch_size) for size in Counter(self._groups).values())

    def __iter__(self) -> Iterator[list[int]]:
        waiting: defaultdict[int, list[int]] = defaultdict(list)
        before: defaultdict[int, list[int]] = defaultdict(list)
        for index in self._sampler:
            group = self._groups[index]
            waiting[group].append(index)
            before[group].append(index)
            if len(waiting[group]) == self._batch_size:
                yield waiting.pop(group)
        for group, left in waiting.items():
            repeated = before[group] * self._batch_size
            yield [*left, *repeated][: self._batch_size]
