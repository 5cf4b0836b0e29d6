"""How long a checkpoint holds the training, by size and by way.

The stall of a checkpoint is what the loop stands still for: at the boundary, and between the passes and the update,
where tools that copy meanwhile have to wait. What goes on in the background and makes steps longer is not in it; the
section on whole runs has that.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

import torch

from .chart import Chart, Line
from .findings import Findings, Goal, Row, Sample, ratios
from .settings import Settings
from .training import Training
from .turns import Loop, extra, in_turns, opened
from .ways import DCP_CACHED, HUGGINGFACE, NOTHING, OURS, TORCH_SAVE, WAYS, LeftOut, Way

__all__ = ["measure_stalls", "stalls"]

_UNSAVED = 3
_LEAST = 3  # so many turns belong to a checkpoint even if nothing goes on behind them
_LARGEST_FOR_TRAINER = 500  # the two lines that it needs on top are the same at every size


@dataclass(frozen=True, kw_only=True)
class _Stalls:
    """Seconds of each checkpoint, in their order; the first of each opening stands apart."""

    first: list[float]
    later: list[float]
    waited: list[float]


def stalls(settings: Settings) -> int:
    """How many times a way will be opened."""
    return sum(len(_contenders(megabytes)) for _, megabytes in _states(settings)) * settings.rounds


def measure_stalls(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Open every way on every state, in turns; `tick` is called after each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the other core is free, as it is where a GPU trains
    rows: list[Row] = []
    goals: list[Goal] = []
    notes: dict[str, None] = {}
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    try:
        for group, megabytes in _states(settings):
            found, left_out = _measured(_training(settings, megabytes), settings, megabytes, folder, tick)
            rows += [_row(group, name, one, found.get(OURS)) for name, one in found.items()]
            goals += _goals(group, found)
            notes |= dict.fromkeys(left_out)
            for name, one in found.items():
                if megabytes and name != NOTHING:
                    lines[name].append((megabytes, 1000 * Sample.of(one.later).median))
    finally:
        torch.set_num_threads(threads)
    return Findings(rows=rows, goals=goals, notes=list(notes), charts=[_chart(lines)])


def _states(settings: Settings) -> list[tuple[str, int | None]]:
    small = f"{settings.small_tensors} small tensors"
    return [*((f"{megabytes} MB", megabytes) for megabytes in settings.sizes), (small, None)]


def _training(settings: Settings, megabytes: int | None) -> Training:
    if megabytes is None:
        return Training.of_tensors(settings.small_tensors)
    training = Training.of_megabytes(megabytes)
    training.use_batches_of(training.batch_for(0.1 + megabytes / 2000))
    return training


def _contenders(megabytes: int | None) -> dict[str, Way]:
    without = {HUGGINGFACE} if megabytes is None or megabytes > _LARGEST_FOR_TRAINER else set()
    return {name: way for name, way in WAYS.items() if name not in without}


def _measured(
    training: Training, settings: Settings, megabytes: int | None, folder: Path, tick: Callable[[], object]
) -> tuple[dict[str, _Stalls], list[str]]:
    found: dict[str, _Stalls] = {}
    left_out = []
    for name, way in chain.from_iterable(in_turns(_contenders(megabytes), settings.rounds)):
        gc.collect()
        try:
            one = _opened(way, training, settings, folder / "loop")
        except LeftOut as reason:
            left_out.append(f"{name} was left out: {reason}.")
        else:
            all_of_it = found.setdefault(name, _Stalls(first=[], later=[], waited=[]))
            all_of_it.first.extend(one.first)
            all_of_it.later.extend(one.later)
            all_of_it.waited.extend(one.waited)
        tick()
    order = list(WAYS)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]))), left_out


def _opened(way: Way, training: Training, settings: Settings, folder: Path) -> _Stalls:
    with opened(way, training, folder) as saver:
        loop = Loop(saver, training)
        # The first one before the first step: some tools make one there in any case.
        first = loop.saved(_LEAST)
        usual = loop.unsaved(_UNSAVED)
        saves = [first, *(loop.saved(_LEAST) for _ in range(settings.saves))]
    held = [extra(turns, usual) for turns in saves]
    normal = median(turn.waited for turn in usual)
    waited = [max(0.0, sum(turn.waited - normal for turn in turns)) for turns in saves]
    return _Stalls(first=held[:1], later=held[1:], waited=waited[1:])


def _row(group: str, name: str, one: _Stalls, ours: _Stalls | None) -> Row:
    values = {
        "first stall, ms": Sample.of(1000 * seconds for seconds in one.first),
        "later stalls, ms": Sample.of(1000 * seconds for seconds in one.later),
        "of which before the update, ms": Sample.of(1000 * seconds for seconds in one.waited),
    }
    if ours and name not in (OURS, NOTHING) and (ratio := ratios(ours.later, one.later)):
        values["colab_resume ÷ this"] = ratio
    return Row(group=group, name=name, values=values)


def _goals(group: str, found: dict[str, _Stalls]) -> Iterator[Goal]:
    if OURS not in found:
        return
    against = {name: ratios(found[OURS].later, one.later) for name, one in found.items() if name not in (OURS, NOTHING)}
    ratio = {name: sample.median for name, sample in against.items() if sample}
    yield Goal.at_most(0.02, ratio[TORCH_SAVE], f"{group}: a later stall, ÷ that of {TORCH_SAVE}")
    yield Goal.at_most(0.15, ratio[DCP_CACHED], f"{group}: a later stall, ÷ that of {DCP_CACHED}")
    nearest = max(ratio, key=ratio.__getitem__)
    yield Goal.at_most(1.0, ratio[nearest], f"{group}: a later stall, ÷ that of the best anchor ({nearest})")


def _chart(lines: dict[str, list[tuple[float, float]]]) -> Chart:
    return Chart(
        name="stall-by-size",
        title="How long one checkpoint holds the training",
        across="size of the state, MB",
        up="stall, ms (median of those behind the first); both axes are logarithmic",
        lines=[Line(name=name, points=points, ours=name == OURS) for name, points in lines.items()],
        log=True,
    )
