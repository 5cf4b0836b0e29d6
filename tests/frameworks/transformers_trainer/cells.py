"""What a notebook's user does: stops a training, runs cells again, changes arguments; each in a process of its own."""

from __future__ import annotations

import signal
from typing import Any

from frameworks.transformers_trainer.training import Life, ended, made, trainer_of
from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback

from colab_resume.errors import StateMismatch, UsageError

__all__ = ["fails_once", "logs_later", "refused", "resumes_elsewhere", "stopped_once", "trains_twice"]


class Once(TrainerCallback):
    """In the middle of step 8 something happens, once."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 7 and self._event is not None:
            event, self._event = self._event, None
            event()


def stopped_once(life: Life, *, anew: bool) -> Any:
    """The stop button is pressed; then the last cell is run again, or the one that makes the Trainer, too."""
    with made(life) as (run, trainer):
        trainer.add_callback(Once(lambda: signal.raise_signal(signal.SIGINT)))
        try:
            trainer.train()
        except KeyboardInterrupt:
            saved, reads = run.status().saved, trainer.train_dataset.reads
        later = trainer_of(life, run, trainer.args.output_dir) if anew else trainer
        found = ended(run, later, later.train())
    return {**found, "saved": saved, "reads": found["reads"] + reads * anew}


def fails_once(life: Life) -> Any:
    """A step fails, and the cell is run again."""

    def fail() -> None:
        raise RuntimeError("it went wrong")

    with made(life) as (run, trainer):
        trainer.add_callback(Once(fail))
        try:
            trainer.train()
        except RuntimeError as error:
            assert str(error) == "it went wrong"  # noqa: PT017 - and then it goes on
        return ended(run, trainer, trainer.train())


def trains_twice(life: Life) -> str:
    """`train` is called again when all is done."""
    with made(life) as (_, trainer):
        trainer.train()
        try:
            trainer.train()
        except ValueError as error:
            return str(error)
    return "trained twice"


def resumes_elsewhere(life: Life) -> str:
    """The Trainer is told to look for checkpoints of its own."""
    with made(life) as (_, trainer):
        try:
            trainer.train(resume_from_checkpoint=True)
        except ValueError as error:
            return str(error)
    return "resumed"


def logs_later(life: Life) -> Any:
    """A logger is added to a Trainer that is attached already."""
    with made(life) as (run, trainer):
        trainer.add_callback(TensorBoardCallback())
        return ended(run, trainer, trainer.train())


def refused(life: Life) -> str:
    """Why this training does not begin."""
    try:
        with made(life) as (_, trainer):
            trainer.train()
    except (UsageError, StateMismatch) as error:
        return str(error)
    return "trained"
