"""The sampler of grouped batches does what makes it hard to resume: it reads ahead, in an order that chance decides."""

from __future__ import annotations

import torch
from detection.grouping import GroupedBatchSampler, groups_by_ratio
from torch.utils.data import RandomSampler

__all__: list[str] = []

GROUPS = groups_by_ratio([0.5, 1.0, 2.0, 0.7, 1.5, 0.6, 1.4], [1.0])


def batches(seed: int) -> tuple[list[list[int]], GroupedBatchSampler]:
    order = RandomSampler(GROUPS, generator=torch.Generator().manual_seed(seed))
    sampler = GroupedBatchSampler(order, GROUPS, 2)
    return list(sampler), sampler


def test_a_batch_has_one_shape_and_every_picture_has_a_batch() -> None:
    """Three tall pictures and four others make two batches each, whatever the order is."""
    for seed in range(20):
        made, sampler = batches(seed)
        assert len(made) == len(sampler) == 4
        assert all(len({GROUPS[index] for index in batch}) == 1 for batch in made)
        assert all(len(batch) == 2 for batch in made)
        assert {index for batch in made for index in batch} == set(range(len(GROUPS)))


def test_chance_decides_which_group_comes_first() -> None:
    """The order of the batches is not that of the groups."""
    assert len({tuple(GROUPS[batch[0]] for batch in batches(seed)[0]) for seed in range(20)}) > 2
