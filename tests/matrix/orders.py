"""The order in which rows come: samplers with generators, buffers and counts of their own, and data with a state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import torch
from matrix.data import BATCH, FEATURES, ROWS, Rows
from torch import Tensor
from torch.utils.data import IterableDataset, RandomSampler, Sampler, get_worker_info

__all__ = ["Counting", "Grouped", "Keeping", "Resumable", "ResumableRows", "Shuffler", "Stream"]


class Shuffler(Sampler[int]):
    """Shuffles with a generator of its own, and begins each epoch as its number says."""

    def __init__(self) -> None:
        self._choose = random.Random(8)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return ROWS

    def __iter__(self) -> Iterator[int]:
        places = list(range(ROWS))
        self._choose.shuffle(places)
        return iter(places[self._epoch :] + places[: self._epoch])


class Grouped(Sampler[list[int]]):
    """Batches of rows of one class each; rows wait in buffers that nobody sees until there are enough of them."""

    def __init__(self, rows: Rows) -> None:
        self._order = RandomSampler(rows)
        self._group = rows.rows[:, 3].int().tolist()

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[int, list[int]] = {}
        for place in self._order:
            buffer = waiting.setdefault(self._group[place], [])
            buffer.append(place)
            if len(buffer) == BATCH:
                yield waiting.pop(self._group[place])
        yield from (buffer for buffer in waiting.values() if len(buffer) > 1)


class Counting(Sampler[int]):
    """Another order in each pass, by a seed that it counts itself."""

    def __init__(self) -> None:
        self._passes = 0

    def __len__(self) -> int:
        return ROWS

    def __iter__(self) -> Iterator[int]:
        self._passes += 1
        order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(self._passes))
        return iter(order.tolist())


class Keeping(Grouped):
    """What waits at the end of a pass waits for the next one."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._waiting: dict[int, list[int]] = {}

    def __iter__(self) -> Iterator[list[int]]:
        for place in self._order:
            buffer = self._waiting.setdefault(self._group[place], [])
            buffer.append(place)
            if len(buffer) == BATCH:
                yield self._waiting.pop(self._group[place])


class Stream(IterableDataset[Tensor]):
    """Rows in an order that is drawn in the worker, each worker its share of them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def _share(self) -> list[int]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        return list(range(first, ROWS, step))

    def __iter__(self) -> Iterator[Tensor]:
        share = self._share()
        for n in torch.randperm(len(share)).tolist():
            yield self._rows[share[n]]


class Resumable(Stream):
    """The same with a state of its own: the order of the pass, how far it has come, and how many there were."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._order: list[int] = []
        self._next = 0
        self._passes = 0

    def state_dict(self) -> dict[str, Any]:
        return {"order": list(self._order), "next": self._next, "passes": self._passes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._order, self._next, self._passes = list(state["order"]), state["next"], state["passes"]

    def __iter__(self) -> Iterator[Tensor]:
        if self._next >= len(self._order):
            share = self._share()
            self._order, self._next = [share[n] for n in torch.randperm(len(share)).tolist()], 0
            self._passes += 1
        while self._next < len(self._order):
            self._next += 1
            yield self._rows[self._order[self._next - 1]] + 0.1 * self._passes * FEATURES


class ResumableRows:
    """Batches of one's own making, with a state of their own: other ones in each pass, since it counts them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._next = 0
        self._passes = 0

    def state_dict(self) -> dict[str, Any]:
        return {"next": self._next, "passes": self._passes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next, self._passes = state["next"], state["passes"]

    def __iter__(self) -> Iterator[Tensor]:
        while self._next < 6:
            self._next += 1
            yield self._rows[[(self._next * BATCH + self._passes + place) % ROWS for place in range(BATCH)]]
        self._next = 0
        self._passes += 1
