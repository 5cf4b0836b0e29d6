"""What a notebook's user does: stops a training, runs cells again, changes arguments; each in a process of its own."""

from __future__ import annotations

import copy
import signal
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
from frameworks.lightning_trainer.parts import Net, Rows
from frameworks.lightning_trainer.training import Life, ended, fit, made, trainer_of
from lightning.pytorch.callbacks import LearningRateFinder
from torch.utils.data import DataLoader

import colab_resume
from colab_resume.errors import StateMismatch, UsageError

__all__ = ["draws_from_batches", "fails_once", "fits_twice", "goes_elsewhere", "refused", "stopped_once", "two_runs"]


class Once(pl.Callback):
    """In the middle of step 8 something happens, once."""

    def __init__(self, event: Callable[[], None]) -> None:
        self._events = [event]

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        if trainer.global_step == 7 and self._events:
            self._events.pop()()


def stopped_once(life: Life, *, anew: bool) -> Any:
    """The stop button is pressed; then the last cell is run again, or the one that makes the Trainer, too."""
    with made(life) as (run, trainer):
        trainer.callbacks.insert(0, Once(lambda: signal.raise_signal(signal.SIGINT)))
        try:
            fit(life, trainer)
        except KeyboardInterrupt:
            saved = run.status().saved
        later = trainer_of(life, run, trainer.default_root_dir) if anew else trainer
        fit(life, later)
        return {**ended(run, later), "saved": saved}


def fails_once(life: Life) -> Any:
    """A step fails, and the cell is run again."""

    def fail() -> None:
        raise RuntimeError("it went wrong")

    with made(life) as (run, trainer):
        trainer.callbacks.insert(0, Once(fail))
        try:
            fit(life, trainer)
        except RuntimeError as error:
            assert str(error) == "it went wrong"  # noqa: PT017 - and then it goes on
        fit(life, trainer)
        return ended(run, trainer)


def fits_twice(life: Life) -> str:
    """`fit` is called again when all is done."""
    with made(life) as (_, trainer):
        fit(life, trainer)
        try:
            fit(life, trainer)
        except ValueError as error:
            return str(error)
    return "trained twice"


def two_runs(life: Life, deaths: tuple[tuple[str, int] | None, ...]) -> Any:
    """Two trainings of one model, each a run of its own: without its first layer, and with it. It may die in either."""
    model = life.model()
    model.layers[0].requires_grad_(False)
    first, second = (replace(life, death=death, model=lambda: model) for death in deaths)
    with made(first) as (run, trainer):
        fit(first, trainer)
        end = copy.deepcopy(ended(run, trainer)["end"])
        model.layers[0].requires_grad_(True)
        following = colab_resume.setup("pl, all of it", store=life.store, remote=life.remote, every=life.every)
        later = trainer_of(second, following, trainer.default_root_dir)
        fit(second, later)
        return {"first": end, "second": ended(following, later)["end"]}


def draws_from_batches(life: Life) -> Any:
    """The Trainer is given `run.batches(loader)` in place of the loader."""
    with made(life) as (run, trainer):
        loaders = (DataLoader(Rows(), 4, shuffle=True), DataLoader(Rows(10, noise=0.0), 4))
        trainer.fit(life.model(), run.batches(loaders[0]), loaders[1])
        return ended(run, trainer)


def goes_elsewhere(life: Life) -> list[str]:
    """Why it is not followed where the run could not go along."""
    loader = DataLoader(Rows(), 4)
    with made(life) as (run, trainer):

        def fits(model: Any, data: Any, **options: Any) -> str:
            try:
                trainer.fit(model, data, **options)
            except UsageError as error:
                return str(error)
            return "trained"

        said = [fits(Net(), loader, ckpt_path="last"), fits(Net(), [loader, loader]), fits(Drawing(), loader)]
        trainer.callbacks.append(LearningRateFinder())
        said.append(fits(Net(), loader))
        trainer.callbacks.pop()
        said.extend(fits(Net(), loader) for _ in run.epochs(1))
    return said


class Drawing(Net):
    """Its steps draw for themselves."""

    def training_step(self, dataloader_iter: Any) -> Any:  # type: ignore[override]
        batch, number, _ = next(dataloader_iter)
        return super().training_step(batch, number)


def refused(life: Life) -> str:
    """Why this training does not begin."""
    try:
        with made(life) as (_, trainer):
            fit(life, trainer)
    except (UsageError, StateMismatch) as error:
        return str(error)
    return "trained"
