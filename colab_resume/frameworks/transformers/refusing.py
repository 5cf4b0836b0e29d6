"""Trainings with the `Trainer` that could not go on exactly are refused at once, each with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import UsageError

__all__ = ["refuse_inexact", "refuse_other_ways"]

_NEEDED = ("_load_from_checkpoint", "_run_epoch", "accelerator", "callback_handler")

_REFUSED: tuple[tuple[Callable[[Any], Any], str, str], ...] = (
    (
        lambda trainer: not all(hasattr(trainer, name) for name in _NEEDED),
        "this release of transformers has another Trainer than the one that is known here",
        "pip install -U transformers; the releases from 5.0 on are known",
    ),
    (
        lambda trainer: trainer.args.world_size > 1,
        "the Trainer trains in several processes, and a run follows one",
        "train in one process",
    ),
    (
        lambda trainer: trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled,
        "with DeepSpeed and FSDP the state is cut up among processes",
        "train without them, in one process",
    ),
    (
        lambda trainer: trainer.args.auto_find_batch_size,
        "auto_find_batch_size begins the training anew with another batch size whenever memory runs out",
        "find out the batch size once, and leave auto_find_batch_size out",
    ),
    (
        lambda trainer: trainer.args.ignore_data_skip,
        "ignore_data_skip lets an epoch begin anew after a restart, with data that were trained on already",
        "leave it out: finished batches are skipped without loading them",
    ),
)


def refuse_inexact(trainer: Any) -> None:
    """Raise `UsageError` if this trainer's training would be another one after a restart."""
    for applies, what, hint in _REFUSED:
        if applies(trainer):
            raise UsageError(what, hint=hint)


def refuse_other_ways(resume_from_checkpoint: Any, trial: Any) -> None:
    """Raise `UsageError` if `train` is told to begin somewhere else, or as one of many trials."""
    if resume_from_checkpoint not in (None, False):
        raise UsageError(
            f"train(resume_from_checkpoint={resume_from_checkpoint!r}): the run knows where to go on",
            hint="call trainer.train() without it, also the first time",
        )
    if trial is not None:
        raise UsageError(
            "a search for hyperparameters is many trainings, and a run is one",
            hint="attach the Trainer of the training that follows the search",
        )
