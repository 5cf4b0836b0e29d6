"""What else the machine does while it trains: nothing, the training itself, or workers that prepare data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

__all__ = ["ONE_CORE_FREE", "REGIMES", "Regime", "TWO_THREADS", "TWO_WORKERS"]

_WORKERS = 2
_NUMBERS = 1_000_000

Regime = Callable[[float], AbstractContextManager[Callable[[], object]]]
"""Given how long a step takes: enter it, and call the result once in each step."""


class _Laborious(IterableDataset[torch.Tensor]):
    """Items that each keep a core busy for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._sorts = max(1, round(seconds / _seconds_of_a_sort()))

    def __iter__(self) -> Iterator[torch.Tensor]:
        numbers = torch.rand(_NUMBERS)
        while True:
            for _ in range(self._sorts):
                torch.sort(numbers)
            yield numbers[:1]


def _seconds_of_a_sort() -> float:
    numbers = torch.rand(_NUMBERS)
    took = []
    for _ in range(3):
        begin = time.perf_counter()
        torch.sort(numbers)
        took.append(time.perf_counter() - begin)
    return min(took)


def _do_nothing() -> None:
    pass


@contextmanager
def _threads(step_seconds: float, *, count: int) -> Iterator[Callable[[], object]]:  # noqa: ARG001 - shape of a Regime
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield _do_nothing
    finally:
        torch.set_num_threads(before)


def _one_thread(step_seconds: float) -> AbstractContextManager[Callable[[], object]]:
    return _threads(step_seconds, count=1)


def _two_threads(step_seconds: float) -> AbstractContextManager[Callable[[], object]]:
    return _threads(step_seconds, count=2)


@contextmanager
def _with_workers(step_seconds: float) -> Iterator[Callable[[], object]]:
    """Together the workers make one batch in the time of a step, and that takes one core all of that time."""
    with _threads(step_seconds, count=1):
        batches: Any = iter(DataLoader(_Laborious(step_seconds), batch_size=None, num_workers=_WORKERS))
        try:
            yield lambda: next(batches)
        finally:
            # Else they go on working beside whatever is measured next, until something collects them.
            batches._shutdown_workers()


ONE_CORE_FREE = "one core free: 1 thread trains"
TWO_THREADS = "both cores busy: 2 threads train"
TWO_WORKERS = "both cores busy: 1 thread trains, 2 DataLoader workers"
REGIMES: Mapping[str, Regime] = {
    ONE_CORE_FREE: _one_thread,
    TWO_THREADS: _two_threads,
    TWO_WORKERS: _with_workers,
}
