"""What it costs that a run goes along with a loop that a framework owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

import colab_resume

from .findings import Findings, Goal, Row, Sample, ratios
from .fits import FITS, Fit, Passes, trainer_of
from .settings import Settings
from .training import Training
from .ways import HUGGINGFACE, OURS, LeftOut, new_run

__all__ = ["fits", "measure_following"]

_STEP_SECONDS = 0.05
_GOAL = 1.01
_TIMES = 6
_COMPUTING_TIMES = 20  # a machine changes from one stretch to the next by more than what is looked for
_LEFT_OUT = 10  # steps in which the first checkpoint is still being written
_STEPS, _BARE_STEPS = 20, 200
_ENTRIES = 10_000
_SAVES = 20

_COMPUTE, _BARE = "steps that compute", "steps of next to nothing"
_QUOTIENT = "with ÷ without"


@dataclass(frozen=True)
class _Step:
    """Seconds: from the passes of one step to those of the next; of these, between the passes."""

    whole: float
    between: float

    @classmethod
    def average(cls, steps: Sequence[Passes]) -> _Step:
        """With all that happens in some of them only."""
        return cls._of(steps, fmean)

    @classmethod
    def usual(cls, steps: Sequence[Passes]) -> _Step:
        """A step in which others had the machine tells nothing."""
        return cls._of(steps, median)

    @classmethod
    def _of(cls, steps: Sequence[Passes], middle: Callable[[Iterable[float]], float]) -> _Step:
        pairs = list(pairwise(steps))
        whole = middle(after.begin - before.begin for before, after in pairs)
        return cls(whole, middle(after.begin - before.end for before, after in pairs))


_Stretch = Callable[[Path, "colab_resume.Run | None"], Sequence[Passes]]

_numbers = count()


def fits(settings: Settings) -> int:
    """How many pairs of stretches will be timed, and how often saves."""
    return (len(FITS) * (_TIMES + _COMPUTING_TIMES) + _TIMES) * settings.rounds


def measure_following(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time stretches with a run and without one in turns; `tick` is called after each pair."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    goals: list[Goal] = []
    notes: list[str] = []
    for name, fit in FITS.items():
        try:
            stretches = {_COMPUTE: _computing(fit, folder), _BARE: _bare(fit)}
        except LeftOut as why:
            notes.append(f"{name} was left out: {why}.")
            continue
        for kind, stretch in stretches.items():
            pairs = []
            for number in range((_COMPUTING_TIMES if kind == _COMPUTE else _TIMES) * settings.rounds):
                of_steps = _Step.usual if kind == _COMPUTE else _Step.average
                pairs.append(_pair(stretch, folder, of_steps, attached_first=number % 2 == 0))
                tick()
            rows.append(_row(kind, name, pairs))
        measured = rows[-2].values[_QUOTIENT].median
        goals.append(Goal.at_most(_GOAL, measured, f"{name}: a step with a run, ÷ one without"))
    rows.sort(key=lambda row: (_COMPUTE, _BARE).index(row.group))
    return Findings(rows=[*rows, *_saves(settings, folder, tick)], goals=goals, notes=notes)


def _computing(fit: Fit, folder: Path) -> _Stretch:
    """Steps of about 50 ms."""
    training = Training.of_megabytes(10)
    items = 500
    for _ in range(2):
        batch = torch.randn(items, training.width)
        took = _Step.usual(fit(training.model, batch, _LEFT_OUT, folder / str(next(_numbers)), None)).whole
        items = max(1, round(items * _STEP_SECONDS / took))
    return partial(fit, training.model, torch.randn(items, training.width), _LEFT_OUT + _STEPS)


def _bare(fit: Fit) -> _Stretch:
    """Steps that do next to nothing but what the framework does around them."""
    training = Training.of_tensors(2)
    return partial(fit, training.model, torch.randn(1, training.width), _LEFT_OUT + _BARE_STEPS)


def _pair(
    stretch: _Stretch, folder: Path, of_steps: Callable[[Sequence[Passes]], _Step], *, attached_first: bool
) -> tuple[_Step, _Step]:
    """What a step takes without a run, and with one."""
    found = {}
    for attached in (attached_first, not attached_first):
        here = folder / str(next(_numbers))
        run = new_run(here / "store") if attached else None
        found[attached] = of_steps(stretch(here, run)[_LEFT_OUT:])
        if run is not None:
            run.finish()
    return found[False], found[True]


def _row(group: str, name: str, pairs: Sequence[tuple[_Step, _Step]]) -> Row:
    added = [ours.between - plain.between for plain, ours in pairs]
    values = {
        "a step without, ms": Sample.of(1e3 * plain.whole for plain, _ in pairs),
        "of which between passes, ms": Sample.of(1e3 * plain.between for plain, _ in pairs),
        "added there, µs": Sample.of(1e6 * one for one in added),
        _QUOTIENT: Sample.of(1 + one / plain.whole for one, (plain, _) in zip(added, pairs, strict=True)),
    }
    return Row(group=group, name=name, values=values)


def _saves(settings: Settings, folder: Path, tick: Callable[[], object]) -> list[Row]:
    """What a save takes of a training with a long log, of colab_resume's time and of the Trainer's own."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(_TIMES * settings.rounds):
        try:
            mine, its = _save(folder / str(next(_numbers)))
        except LeftOut:
            return []
        ours.append(mine)
        theirs.append(its)
        tick()
    group = f"a save beside {_ENTRIES} entries in log_history"
    quotient = ratios(ours, theirs)
    each = {"ms": Sample.of(1e3 * seconds for seconds in theirs)}
    return [
        Row(group=group, name=f"{HUGGINGFACE}, its trainer_state.json alone", values=each),
        Row(
            group=group,
            name=f"{OURS}, all of it",
            values={"ms": Sample.of(1e3 * seconds for seconds in ours)}
            | ({"÷ the Trainer's": quotient} if quotient is not None else {}),
        ),
    ]


def _save(folder: Path) -> tuple[float, float]:
    from transformers import TrainerCallback

    class Saving(TrainerCallback):
        """Fills the log before the first step, and asks for a save in each."""

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            state.log_history += [{"loss": 1 / (i + 1), "epoch": i / 100, "step": i} for i in range(_ENTRIES)]

        def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            run._saving.writer.wait(None)
            if state.global_step > _LEFT_OUT:
                stalls.append(run.status().stall_seconds)
            run.save()

    tiny = Training.of_tensors(2)
    trainer = trainer_of(tiny.model, torch.randn(1, tiny.width), _LEFT_OUT + _SAVES, folder)
    stalls: list[float] = []
    trainer.add_callback(Saving())
    run = new_run(folder / "store")
    run.attach(trainer).train()
    run.finish()
    begin = time.perf_counter()
    trainer.state.save_to_json(str(folder / "trainer_state.json"))
    its = time.perf_counter() - begin
    return fmean(after - before for before, after in pairwise(stalls)), its
