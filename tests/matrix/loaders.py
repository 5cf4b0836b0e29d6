"""Loaders, as people make them: each name stands for a function that makes one over the given rows.

What is made is a function without arguments that gives what one pass runs over: the same loader each time, but a
generator anew, since it can be run through only once.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from matrix.data import BATCH, FEATURES, ROWS, Rows
from matrix.orders import Counting, Grouped, Keeping, Resumable, ResumableRows, Shuffler, Stream
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    WeightedRandomSampler,
    random_split,
)

__all__ = ["BOUND_TO_WORKERS", "LOADERS", "WITHOUT_WORKERS", "Make", "Source"]

Source = Callable[[], Any]
Make = Callable[[Rows, int], Source]


def _padded(rows: list[Tensor]) -> Tensor:
    """A collate function that draws too."""
    return torch.stack(rows) + 0.05 * torch.randn(4) * FEATURES


def _same(thing: Any) -> Source:
    return lambda: thing


def _loader(rows: Rows, workers: int, **options: Any) -> Source:
    options = {"batch_size": BATCH, **options}
    if not workers:
        options = {key: value for key, value in options.items() if key not in ("persistent_workers", "prefetch_factor")}
    return _same(DataLoader(rows, num_workers=workers, **options))


def _seed_worker(worker: int) -> None:
    """From torch's own notes on reproducibility."""
    np.random.seed(torch.initial_seed() % 2**32)
    random.seed(torch.initial_seed())


def _part_of_the_rows(rows: Rows, workers: int) -> Source:
    part, _ = random_split(rows, [18, ROWS - 18])
    return _same(DataLoader(part, BATCH, shuffle=True, num_workers=workers))


def _weighted(rows: Rows, workers: int) -> Source:
    sampler = WeightedRandomSampler([1.0 + place % 3 for place in range(ROWS)], ROWS + 4, replacement=True)
    return _loader(rows, workers, sampler=sampler)


def _own_generator(rows: Rows, workers: int) -> Source:
    return _loader(rows, workers, shuffle=True, generator=torch.Generator().manual_seed(9))


def _in_batches(rows: Rows, workers: int) -> Source:
    return _same(DataLoader(rows, batch_sampler=BatchSampler(RandomSampler(rows), BATCH, False), num_workers=workers))


def _lists_of_places(rows: Rows, workers: int) -> Source:
    sampler = BatchSampler(RandomSampler(rows, replacement=True, num_samples=ROWS), BATCH, False)
    return _loader(rows, workers, batch_size=None, sampler=sampler)


def _grouped(make: type[Grouped], rows: Rows, workers: int) -> Source:
    return _same(DataLoader(rows, batch_sampler=make(rows), num_workers=workers))


def _distributed(rows: Rows, workers: int) -> Source:
    return _loader(rows, workers, sampler=DistributedSampler(rows, num_replicas=1, rank=0, seed=4))


def _stateful(data: Any, workers: int, **options: Any) -> Source:
    from torchdata.stateful_dataloader import StatefulDataLoader

    with warnings.catch_warnings():  # it calls something that torch has deprecated since
        warnings.simplefilter("ignore")
        return _same(StatefulDataLoader(data, BATCH, num_workers=workers, **options))


def _list(rows: Rows, workers: int) -> Source:
    return _same([rows.rows[first : first + BATCH] for first in range(0, ROWS, BATCH)])


def _generator(rows: Rows, workers: int) -> Source:
    def drawn() -> Iterator[Tensor]:
        for _ in range(6):
            yield rows[torch.randint(ROWS, (BATCH,)).tolist()]

    return drawn


def _arrays(rows: Rows, workers: int) -> Source:
    return _same(rows.rows[:20].numpy().reshape(5, BATCH, 4).astype(np.float64))


LOADERS: dict[str, Make] = {
    "shuffle": partial(_loader, shuffle=True),
    "in order": _loader,
    "persistent": partial(_loader, shuffle=True, persistent_workers=True),
    "prefetching": partial(_loader, shuffle=True, prefetch_factor=3),
    "drop_last": partial(_loader, shuffle=True, drop_last=True),
    "collate_fn": partial(_loader, shuffle=True, collate_fn=_padded),
    "generator=": _own_generator,
    "worker_init_fn": partial(_loader, shuffle=True, worker_init_fn=_seed_worker),
    "part of the rows": _part_of_the_rows,
    "own sampler": lambda rows, workers: _loader(rows, workers, sampler=Shuffler()),
    "sampler that counts passes": lambda rows, workers: _loader(rows, workers, sampler=Counting()),
    "weighted sampler": _weighted,
    "distributed sampler": _distributed,
    "batch sampler": _in_batches,
    "lists of places": _lists_of_places,
    "grouped batch sampler": partial(_grouped, Grouped),
    "grouped batch sampler that keeps rows": partial(_grouped, Keeping),
    "iterable dataset": lambda rows, workers: _loader(Stream(rows), workers),
    "iterable dataset with a state": lambda rows, workers: _loader(Resumable(rows), workers),
    "persistent iterable dataset": lambda rows, workers: _loader(Stream(rows), workers, persistent_workers=True),
    "StatefulDataLoader": partial(_stateful, shuffle=True),
    "StatefulDataLoader over a stream": lambda rows, workers: _stateful(Resumable(rows), workers),
    "list": _list,
    "iterable with a state": lambda rows, workers: _same(ResumableRows(rows)),
    "generator": _generator,
    "numpy array": _arrays,
}

BOUND_TO_WORKERS = {name for name in LOADERS if "iterable dataset" in name or "stream" in name}
"""Who deals out the rows is the number of workers: it must stay the same."""

WITHOUT_WORKERS = {"list", "iterable with a state", "generator", "numpy array"}
