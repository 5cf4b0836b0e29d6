"""What saving costs where nobody says how often: stretches at the default cadence between stretches without saving."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from .findings import Findings, Goal, Row, Sample
from .regimes import REGIMES, TWO_WORKERS
from .settings import Settings
from .training import Training
from .turns import Loop, Turn, opened
from .ways import NOTHING, WAYS, RunSaver, new_run

__all__ = ["measure_cadence", "stretches"]

_REGIMES = [regime for regime in REGIMES if regime != TWO_WORKERS]
_BUDGET = 0.02
_WITHOUT = 0.4
"""How long a stretch without saving is, of one with; each of the latter has two beside it."""


@dataclass(frozen=True, kw_only=True)
class _Stretch:
    share: float
    checkpoints: int
    believed: float
    """What the run itself says that saving has cost."""


def stretches(settings: Settings) -> int:
    """How many stretches at the default cadence will be timed."""
    return len(_REGIMES) * settings.stretches


def measure_cadence(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time them in each regime; `tick` is called after each."""
    training = Training.of_megabytes(settings.megabytes)
    rows: list[Row] = []
    goals: list[Goal] = []
    for regime in _REGIMES:
        found: list[_Stretch] = []
        with REGIMES[regime](settings.step_seconds):
            training.use_batches_of(training.batch_for(settings.step_seconds))
            before = _without(training, settings, folder / "none")
            for _ in range(settings.stretches):
                turns, checkpoints, believed = _with(training, settings, folder / "run")
                after = _without(training, settings, folder / "none")
                share = fmean(turn.whole for turn in turns) / fmean(turn.whole for turn in (*before, *after)) - 1
                found.append(_Stretch(share=share, checkpoints=checkpoints, believed=believed))
                before = after
                tick()
        rows.append(_row(regime, found))
        text = f"{regime}: what the loop takes longer at the default cadence, as a share of its time"
        goals.append(Goal.at_most(_BUDGET, rows[-1].values["loop, against no saving"].median - 1, text))
    return Findings(rows=rows, goals=goals)


def _row(regime: str, found: Sequence[_Stretch]) -> Row:
    values = {
        "loop, against no saving": Sample.of(1 + one.share for one in found),
        "by its own account": Sample.of(1 + one.believed for one in found),
        "checkpoints": Sample.of(one.checkpoints for one in found),
    }
    return Row(group="colab_resume, every=None", name=regime, values=values)


def _without(training: Training, settings: Settings, folder: Path) -> list[Turn]:
    with opened(WAYS[NOTHING], training, folder) as saver:
        return _for_seconds(_WITHOUT * settings.stretch, Loop(saver, training))


def _with(training: Training, settings: Settings, folder: Path) -> tuple[list[Turn], int, float]:
    with opened(_default_cadence, training, folder) as saver:
        turns = _for_seconds(settings.stretch, Loop(saver, training))
        status = saver.run.status()
    return turns, status.saves, status.cost


@contextmanager
def _default_cadence(training: Training, folder: Path) -> Iterator[RunSaver]:
    run = new_run(folder / "store", every=None)
    try:
        yield RunSaver(training, folder, run)
    finally:
        run.finish()


def _for_seconds(seconds: float, loop: Loop) -> list[Turn]:
    end = time.perf_counter() + seconds
    turns = loop.unsaved(1)
    while time.perf_counter() < end:
        turns += loop.unsaved(1)
    return turns
