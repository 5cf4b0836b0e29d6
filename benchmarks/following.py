"""What it costs that a run goes along with a loop that a framework owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from .beside import BARE, COMPUTE, LEFT_OUT, TIMES, Pair, Step, numbered, pairs_of
from .findings import Findings, Goal, Row, Sample, ratios
from .fits import FITS, Fit, trainer_of
from .keras_saves import BACK_ENDS, keras_process
from .settings import Settings
from .training import Training
from .ways import HUGGINGFACE, OURS, LeftOut, new_run

__all__ = ["fits", "measure_following"]

_GOAL = 1.01
_TIMES = 6
_ENTRIES = 10_000
_SAVES = 20

_QUOTIENT = "with ÷ without"


def fits(settings: Settings) -> int:
    """How many pairs of stretches will be timed, and how often saves."""
    return ((len(FITS) + len(BACK_ENDS)) * sum(TIMES.values()) + _TIMES) * settings.rounds


def measure_following(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time stretches with a run and without one in turns; `tick` is called after each pair."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    goals: list[Goal] = []
    notes: list[str] = []
    for name, pairs_of_kind in _loops(settings, folder, tick).items():
        try:
            found = {kind: pairs_of_kind(kind) for kind in (COMPUTE, BARE)}
        except LeftOut as why:
            notes.append(f"{name} was left out: {why}.")
            continue
        rows += [_row(kind, name, pairs) for kind, pairs in found.items()]
        measured = rows[-2].values[_QUOTIENT].median
        goals.append(Goal.at_most(_GOAL, measured, f"{name}: a step with a run, ÷ one without"))
    rows.sort(key=lambda row: (COMPUTE, BARE).index(row.group))
    return Findings(rows=[*rows, *_saves(settings, folder, tick)], goals=goals, notes=notes)


def _loops(settings: Settings, folder: Path, tick: Callable[[], object]) -> dict[str, Callable[[str], list[Pair]]]:
    """By the loop's name what measures its steps of one kind."""

    def here(fit: Fit) -> Callable[[str], list[Pair]]:
        return lambda kind: pairs_of(kind, fit, TIMES[kind] * settings.rounds, folder, tick)

    def in_a_process(back_end: str) -> Callable[[str], list[Pair]]:
        def measured(kind: str) -> list[Pair]:
            times = TIMES[kind] * settings.rounds
            found = keras_process("keras_steps", back_end, kind, times, numbered(folder))
            for _ in range(times):
                tick()
            return [(Step(**plain), Step(**ours)) for plain, ours in found]

        return measured

    keras = {f"Keras fit, on {name}": in_a_process(back_end) for name, back_end in BACK_ENDS.items()}
    return {**{name: here(fit) for name, fit in FITS.items()}, **keras}


def _row(group: str, name: str, pairs: Sequence[Pair]) -> Row:
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
            mine, its = _save(numbered(folder))
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
            if state.global_step > LEFT_OUT:
                stalls.append(run.status().stall_seconds)
            run.save()

    tiny = Training.of_tensors(2)
    trainer = trainer_of(tiny.model, torch.randn(1, tiny.width), LEFT_OUT + _SAVES, folder)
    stalls: list[float] = []
    trainer.add_callback(Saving())
    run = new_run(folder / "store")
    run.attach(trainer).train()
    run.finish()
    begin = time.perf_counter()
    trainer.state.save_to_json(str(folder / "trainer_state.json"))
    its = time.perf_counter() - begin
    return fmean(after - before for before, after in pairwise(stalls)), its
