"""Trainings with Lightning's `Trainer` that could not go on exactly are refused at once, each with the reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import UsageError

__all__ = ["refuse_inexact", "refuse_loader", "refuse_other_ways"]

_NEEDED = ("fit", "fit_loop", "strategy", "_logger_connector", "lr_scheduler_configs", "precision_plugin")

_SEARCHES = ("BatchSizeFinder", "LearningRateFinder")

_REFUSED: tuple[tuple[Callable[[Any], Any], str, str], ...] = (
    (
        lambda trainer: not all(hasattr(trainer, name) for name in _NEEDED),
        "this is not the Trainer of Lightning that is known here",
        "attach the Trainer whose fit is called, from 2.2 on; with Fabric use run.track, run.epochs and run.batches",
    ),
    (
        lambda trainer: trainer.world_size > 1 or trainer.num_nodes > 1,
        "the Trainer trains in several processes, and a run follows one",
        "train with devices=1, num_nodes=1",
    ),
    (
        lambda trainer: type(trainer.strategy).__name__ != "SingleDeviceStrategy",
        "with this strategy other processes train, or cut the state up among themselves",
        'leave strategy="auto", with devices=1',
    ),
    (
        lambda trainer: trainer.fast_dev_run,
        "fast_dev_run is a trial, and the run would take it for the training",
        "attach the Trainer of the training itself",
    ),
    (
        lambda trainer: trainer.overfit_batches,
        "with overfit_batches the Trainer makes itself other loaders than those it was given",
        "leave it out, and give it a loader of the few batches",
    ),
    (
        lambda trainer: trainer.reload_dataloaders_every_n_epochs > 1,
        "with reload_dataloaders_every_n_epochs > 1 a restart would load the data in another epoch",
        "set it to 1, or leave it out",
    ),
    (
        lambda trainer: getattr(trainer, "_val_check_time_interval", None) is not None,
        "val_check_interval is a time: when is validated would depend on how fast this machine is",
        "say it in batches",
    ),
    (
        lambda trainer: _has(trainer, *_SEARCHES),
        "a search for a batch size or a learning rate is many trainings, and a run is one",
        "search with a Trainer of its own, and attach the one of the training that follows",
    ),
    (
        lambda trainer: _has(trainer, "OnExceptionCheckpoint"),
        "OnExceptionCheckpoint lets fit begin from its own file, made in the middle of a step",
        "leave it out: the run does its work",
    ),
    (
        lambda trainer: _has(trainer, "StochasticWeightAveraging"),
        "StochasticWeightAveraging replaces schedules in mid-training, and would do so once more after a restart",
        "use EMAWeightAveraging, or average in a callback of your own",
    ),
    (
        lambda trainer: _has(trainer, "ModelPruning"),
        "ModelPruning gives the parameters other names in mid-training, and after a restart they have the old ones",
        "prune with a Trainer of its own, and attach the one of the training that follows",
    ),
    (
        lambda trainer: type(trainer.strategy.checkpoint_io).__name__ == "AsyncCheckpointIO",
        "AsyncCheckpointIO writes files while the training goes on: nobody knows at a boundary whether they are whole",
        "leave it out",
    ),
)


def refuse_inexact(trainer: Any) -> None:
    """Raise `UsageError` if this trainer's training would be another one after a restart."""
    for applies, what, hint in _REFUSED:
        if applies(trainer):
            raise UsageError(what, hint=hint)


def refuse_other_ways(fit: Callable[..., Any] | None, args: Sequence[Any], options: Mapping[str, Any]) -> None:
    """Raise `UsageError` if `fit` is told to begin somewhere else."""
    asked = inspect.signature(fit).bind(*args, **options).arguments if fit is not None else options
    if (path := asked.get("ckpt_path")) is not None:
        raise UsageError(
            f"fit(ckpt_path={path!r}): the run knows where to go on",
            hint="call trainer.fit without it, also the first time",
        )


def refuse_loader(loader: Any, training_step: Callable[..., Any]) -> None:
    """Raise `UsageError` for what is no loader, but several, and for steps that draw from it themselves."""
    if "dataloader_iter" in inspect.signature(training_step).parameters:
        raise UsageError(
            "training_step(dataloader_iter) draws its batches itself, as many as it likes",
            hint="write training_step(batch, batch_idx)",
        )
    if isinstance(loader, list | tuple | dict) or type(loader).__name__ == "CombinedLoader":
        raise UsageError(
            "the Trainer is given several loaders to train on side by side",
            hint="give it one, over a dataset that puts their samples together",
        )


def _has(trainer: Any, *names: str) -> bool:
    return any(kind.__name__ in names for callback in trainer.callbacks for kind in type(callback).__mro__)
