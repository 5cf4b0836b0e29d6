"""How much longer a whole run takes that makes a checkpoint every few steps: stalls, slower steps and all.

Each stretch with a checkpoint lies between two without one, and is held against them: a shared machine that becomes
slower in the course of minutes cannot be taken for the cost of saving. A stretch goes on until its checkpoint is
finished, and what the steps beyond the last took longer counts, too, so nothing is hidden by being late.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from .chart import Chart, Line
from .findings import Findings, Goal, Row, Sample
from .regimes import ONE_CORE_FREE, REGIMES, TWO_THREADS, TWO_WORKERS
from .settings import Settings
from .training import Training
from .turns import Loop, Turn, extra, opened
from .ways import DCP_ASYNCHRONOUS, DCP_CACHED, DCP_THREAD, LIGHTNING, OURS, TORCH_SAVE, WAYS, LeftOut, Way, slow_drive

__all__ = ["Pair", "measure_slowdown", "pairs_of", "slowdowns"]

# Where both cores are busy, those are left that can be the best; each way takes more than half a minute.
_ANCHORS: Mapping[str, Sequence[str]] = {
    ONE_CORE_FREE: (TORCH_SAVE, DCP_THREAD, DCP_CACHED, DCP_ASYNCHRONOUS, LIGHTNING),
    TWO_THREADS: (TORCH_SAVE, DCP_THREAD, DCP_CACHED, DCP_ASYNCHRONOUS),
    TWO_WORKERS: (DCP_CACHED, DCP_ASYNCHRONOUS),
}
_BEFORE = 3


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A stretch with a checkpoint, beginning with it, and the turns without one on both sides."""

    saved: Sequence[Turn]
    before: Sequence[Turn]
    after: Sequence[Turn]
    steps: int

    @property
    def usual(self) -> float:
        """Seconds of a turn beside which nothing is saved."""
        return fmean(turn.whole for turn in (*self.before, *self.after))

    @property
    def longer(self) -> float:
        """Seconds that the checkpoint has cost in all."""
        return sum(turn.whole - self.usual for turn in self.saved)

    @property
    def share(self) -> float:
        """The same, of the time between two checkpoints."""
        return self.longer / (self.steps * self.usual)


def slowdowns(settings: Settings) -> int:
    """How many times a way will be opened."""
    return sum(len(_contenders(regime, settings)) for regime in REGIMES)


def measure_slowdown(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Open every way in every regime; `tick` is called after each."""
    training = Training.of_megabytes(settings.megabytes)
    rows: list[Row] = []
    goals: list[Goal] = []
    notes: dict[str, None] = {}
    charts = []
    for regime, enter in REGIMES.items():
        found: dict[str, list[Pair]] = {}
        with enter(settings.step_seconds) as fetch:
            training.use_batches_of(training.batch_for(settings.step_seconds))
            for name, way in _contenders(regime, settings).items():
                gc.collect()
                try:
                    found[name] = pairs_of(way, training, settings, folder / "loop", fetch)
                except LeftOut as reason:
                    notes[f"{name} was left out: {reason}."] = None
                tick()
        rows += [_row(regime, name, pairs) for name, pairs in found.items()]
        goals += _goals(regime, found)
        if regime == ONE_CORE_FREE:
            charts.append(_chart(found, settings))
    return Findings(rows=rows, goals=goals, notes=list(notes), charts=charts)


def _contenders(regime: str, settings: Settings) -> dict[str, Way]:
    found = {name: WAYS[name] for name in (*_ANCHORS[regime], OURS)}
    return found | ({} if regime == TWO_WORKERS else dict([slow_drive(settings.rate)]))


def pairs_of(
    way: Way, training: Training, settings: Settings, folder: Path, fetch: Callable[[], object] = lambda: None
) -> list[Pair]:
    """Open one way, warm it up, and time its stretches."""
    with opened(way, training, folder) as saver:
        loop = Loop(saver, training, fetch=fetch)
        # The first one takes memory that is used again later; what that costs is in the section on stalls.
        loop.saved(1)
        before = loop.unsaved(settings.steps)
        found = []
        for _ in range(settings.pairs):
            saved = loop.saved(settings.steps)
            after = loop.unsaved(settings.steps)
            found.append(Pair(saved=saved, before=before, after=after, steps=settings.steps))
            before = after
    return found


def _row(regime: str, name: str, pairs: Sequence[Pair]) -> Row:
    held = [extra(pair.saved, (*pair.before, *pair.after)) for pair in pairs]
    values = {
        "loop, against no saving": Sample.of(1 + pair.share for pair in pairs),
        "longer, ms per checkpoint": Sample.of(1000 * pair.longer for pair in pairs),
        "of which stall, ms": Sample.of(1000 * seconds for seconds in held),
        "until it is finished, steps": Sample.of(len(pair.saved) for pair in pairs),
        "one step, ms": Sample.of(1000 * pair.usual for pair in pairs),
    }
    return Row(group=regime, name=name, values=values)


def _goals(regime: str, found: Mapping[str, Sequence[Pair]]) -> Iterator[Goal]:
    cost = {name: median(pair.share for pair in pairs) for name, pairs in found.items()}
    anchors = {name: share for name, share in cost.items() if not name.startswith(OURS)}
    best = min(anchors, key=anchors.__getitem__)
    text = f"{regime}: what the loop takes longer, as a share of its time"
    yield Goal.at_most(max(0.0, anchors[best]), cost[OURS], f"{text}; the best anchor is {best}")
    if regime == ONE_CORE_FREE:
        yield Goal.at_most(max(0.0, anchors[best]) / 2, cost[OURS], f"{text}; half of that")


def _chart(found: Mapping[str, Sequence[Pair]], settings: Settings) -> Chart:
    places = range(-_BEFORE, settings.steps)
    lines = []
    for name, pairs in found.items():
        shown = [[*pair.before[-_BEFORE:], *pair.saved[: settings.steps]] for pair in pairs]
        points = [(place, median(turns[number].whole for turns in shown)) for number, place in enumerate(places)]
        lines.append(Line(name=name, points=points, ours=name == OURS))
    return Chart(
        name="steps-around-a-save",
        title=f"Step times around a checkpoint of {settings.megabytes} MB, {ONE_CORE_FREE}",
        across="step; the checkpoint is made before step 0",
        up="seconds from boundary to boundary (median)",
        lines=lines,
    )
