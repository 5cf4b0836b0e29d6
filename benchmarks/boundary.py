"""What a step costs at which nothing is saved: the boundary itself, and a batch that comes through `run.batches`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset

import colab_resume

from .findings import Findings, Row, Sample
from .settings import Settings
from .training import Training
from .ways import new_run

__all__ = ["boundaries", "measure_boundary"]

_EMPTY = "an empty loop body"
_BATCH = 16
_WORKERS = (0, 2)
_TIMES = 5  # these are short, so they are repeated more often than the long ones


def boundaries(settings: Settings) -> int:
    """How many rounds will be timed."""
    return _TIMES * settings.rounds


def measure_boundary(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time loops with and without a run; `tick` is called after each round."""
    training = Training.of_megabytes(1)
    training.step()
    named, own, loading = (new_run(folder / name) for name in ("named", "own", "loading"))
    for run in (named, own, loading):
        run.track(model=training.model, optimizer=training.optimizer)
    loaders = {workers: _loader(settings.batches, workers) for workers in _WORKERS}
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for number in loading.epochs(boundaries(settings)):
        plain = _seconds_each(range(settings.turns))
        looped = _seconds_each(named.steps(settings.turns, name=f"steps {number}"))
        found[_EMPTY, "run.steps"].append((plain, looped))
        found[_EMPTY, "run.boundary() in a loop of one's own"].append((plain, _own_loop(own, settings.turns)))
        for workers, loader in loaders.items():
            pair = _seconds_each(loader), _seconds_each(loading.batches(loader, ahead=False))
            found[f"a DataLoader, workers: {workers}", "run.batches"].append(pair)
        tick()
    for run in (named, own, loading):
        run.finish()
    return Findings(rows=[_row(group, name, pairs) for (group, name), pairs in found.items()])


def _loader(batches: int, workers: int) -> DataLoader[tuple[torch.Tensor, ...]]:
    images = TensorDataset(torch.zeros(batches * _BATCH, 3, 32, 32))
    return DataLoader(images, batch_size=_BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def _own_loop(run: colab_resume.Run, turns: int) -> float:
    begin = time.perf_counter()
    for _ in range(turns):
        run.boundary()
    return (time.perf_counter() - begin) / turns


def _seconds_each(items: Iterable[object]) -> float:
    """From one item to the next: the first may start workers, and behind the last the final state may be saved."""
    times = [time.perf_counter() for _ in items]
    return (times[-1] - times[0]) / (len(times) - 1)


def _row(group: str, name: str, pairs: list[tuple[float, float]]) -> Row:
    plain, ours = zip(*pairs, strict=True)
    values = {
        "without, µs": Sample.of(1e6 * seconds for seconds in plain),
        "with, µs": Sample.of(1e6 * seconds for seconds in ours),
        "added, µs": Sample.of(1e6 * (after - before) for before, after in pairs),
    }
    return Row(group=group, name=name, values=values)
