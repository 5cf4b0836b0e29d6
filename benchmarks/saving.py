"""What saving costs a training loop: how long it stands still for a checkpoint, and how much longer it takes in all.

Measured from outside, for every way alike: the time between the end of one step's body and the start of the next. So
it counts whatever happens there, not what the tool believes to have cost. What goes on in the background shows as
steps that take longer. The ways take turns, in an order that changes from round to round.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from .sample import Row, Sample
from .settings import Settings
from .training import Training
from .ways import NOTHING, Saver, Way, ways

__all__ = ["loops", "measure_saving"]

_REGIMES = {"one core free: torch has one thread": 1, "both cores busy: torch has two threads": 2}


@dataclass(frozen=True, kw_only=True)
class _Loop:
    """One timed loop, in seconds. `gaps[i]` lies before step i."""

    bodies: list[float]
    gaps: list[float]
    saves: int
    reported: float | None

    @property
    def seconds(self) -> float:
        return sum(self.bodies) + sum(self.gaps)

    @property
    def stalls(self) -> list[float]:
        """The longest gaps, in their order; a save may come a boundary later than asked, but it cannot hide."""
        longest = sorted(sorted(range(len(self.gaps)), key=self.gaps.__getitem__)[-self.saves :]) if self.saves else []
        usual = sorted(self.gaps)[len(self.gaps) // 2]
        return [self.gaps[place] - usual for place in longest]


def loops(settings: Settings) -> int:
    """How many loops will be timed."""
    return settings.rounds * len(_REGIMES) * len(ways(settings.rate))


def measure_saving(settings: Settings, folder: Path, tick: Callable[[], object]) -> list[Row]:
    """Time every way in every regime; `tick` is called after each loop."""
    training = Training(settings.megabytes)
    found: dict[tuple[str, str], list[_Loop]] = defaultdict(list)
    threads_before = torch.get_num_threads()
    try:
        for regime, name, way in _schedule(settings, training):
            gc.collect()
            found[regime, name].append(_timed(way, training, settings, folder / "loop"))
            tick()
    finally:
        torch.set_num_threads(threads_before)
    return [_row(regime, name, timed, found[regime, NOTHING]) for (regime, name), timed in found.items()]


def _schedule(settings: Settings, training: Training) -> Iterator[tuple[str, str, Way]]:
    contenders = list(ways(settings.rate).items())
    batches: dict[int, int] = {}
    for number in range(settings.rounds):
        for regime, threads in _REGIMES.items():
            torch.set_num_threads(threads)
            if threads not in batches:
                batches[threads] = training.batch_for(settings.step_seconds)
            training.use_batches_of(batches[threads])
            shift = 2 * number % len(contenders)
            for name, way in contenders[shift:] + contenders[:shift]:
                yield regime, name, way


def _timed(way: Way, training: Training, settings: Settings, folder: Path) -> _Loop:
    folder.mkdir(parents=True)
    try:
        with way(training, folder) as saver:
            bodies, gaps = _run(saver, training, settings)
        return _Loop(bodies=bodies, gaps=gaps, saves=saver.saves, reported=saver.reported)
    finally:
        # Unlinking also drops what is not on the disk yet, so that nobody pays for the one before.
        shutil.rmtree(folder)


def _run(saver: Saver, training: Training, settings: Settings) -> tuple[list[float], list[float]]:
    bodies: list[float] = []
    gaps: list[float] = []
    end = time.perf_counter()
    saver.save(0)
    for number in islice(saver.turns, settings.steps):
        begin = time.perf_counter()
        gaps.append(begin - end)
        training.step()
        end = time.perf_counter()
        bodies.append(end - begin)
        if number + 1 in settings.saves:
            saver.save(number + 1)
    return bodies, gaps


def _row(regime: str, name: str, timed: list[_Loop], unsaved: list[_Loop]) -> Row:
    values = {}
    if stalls := [loop.stalls for loop in timed if loop.saves]:
        values["first stall, ms"] = Sample.of(1000 * each[0] for each in stalls)
        values["later stalls, ms"] = Sample.of(1000 * stall for each in stalls for stall in each[1:])
    if reported := [1000 * loop.reported for loop in timed if loop.reported is not None]:
        values["mean stall by its own account, ms"] = Sample.of(reported)
    pairs = list(zip(timed, unsaved, strict=True))
    values["steps, against no saving"] = Sample.of(sum(one.bodies) / sum(none.bodies) for one, none in pairs)
    values["loop, against no saving"] = Sample.of(one.seconds / none.seconds for one, none in pairs)
    if any(loop.saves for loop in timed):
        values["loop longer, ms per checkpoint"] = Sample.of(
            1000 * (one.seconds - none.seconds) / max(one.saves, 1) for one, none in pairs
        )
    values["one step, ms"] = Sample.of(1000 * sum(loop.bodies) / len(loop.bodies) for loop in timed)
    values["checkpoints"] = Sample.of(loop.saves for loop in timed)
    return Row(group=regime, name=name, values=values)
