"""What it takes to enter a pass near its end: the index lists of the batches before are drawn again."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler, WeightedRandomSampler

from colab_resume.training.data.batches import Loaders

from .findings import Findings, Row, Sample
from .settings import Settings

__all__ = ["entries", "measure_entering"]

_ITEMS = 1_000_000
_BATCH = 32
_LAST = _ITEMS // _BATCH - 1


class _Numbers(Dataset[int]):
    """So many items, of which none costs anything."""

    def __len__(self) -> int:
        return _ITEMS

    def __getitem__(self, index: int) -> int:
        return index


def entries(settings: Settings) -> int:
    """How many rounds will be timed."""
    return settings.repeats


def measure_entering(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:  # noqa: ARG001
    """Time until the last batch of a pass is there, in a process that has drawn nothing yet."""
    weights = torch.ones(_ITEMS)
    samplers = {
        "shuffled": RandomSampler(_Numbers()),
        "weighted, with replacement": WeightedRandomSampler(weights, _ITEMS),
    }
    rows = []
    for name, sampler in samplers.items():
        pairs = []
        for _ in range(settings.repeats):
            loader = DataLoader(_Numbers(), batch_size=_BATCH, sampler=sampler)
            pairs.append((_draw_indices(loader), _enter(loader)))
            tick()
        rows.append(_row(name, pairs))
    return Findings(rows=rows)


def _draw_indices(loader: DataLoader[int]) -> float:
    begin = time.perf_counter()
    for _ in islice(loader.batch_sampler, _LAST):
        pass
    return time.perf_counter() - begin


def _enter(loader: DataLoader[int]) -> float:
    begin = time.perf_counter()
    next(iter(Loaders().start(loader, seed=1, first=_LAST)))
    return time.perf_counter() - begin


def _row(name: str, pairs: list[tuple[float, float]]) -> Row:
    alone, entered = zip(*pairs, strict=True)
    values = {"drawing the indices alone, s": Sample.of(alone), "until the batch is there, s": Sample.of(entered)}
    return Row(group="the last of 31 250 batches", name=name, values=values)
