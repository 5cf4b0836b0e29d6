"""What a call of `fit` asks for, in the form in which Keras will be given it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras import tree
from keras.callbacks import BackupAndRestore, CallbackList, History
from keras.src.backend import config
from keras.src.trainers.data_adapters import array_slicing

from ...errors import UsageError
from ...training.looked_through import bare

__all__ = ["Asked", "asked"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`options`: all arguments; those of `epochs` are counted from `first` up to `last`. A History is among the
    callbacks."""

    options: Mapping[str, Any]
    callbacks: list[Any]
    history: History
    first: int
    last: int

    @property
    def epochs(self) -> int:
        """How many."""
        return self.last - self.first


def asked(bound: inspect.BoundArguments) -> Asked:
    """What was asked for; `UsageError` if it cannot be a part of a run."""
    bound.apply_defaults()
    options = dict(bound.arguments)
    options["x"] = bare(options["x"])  # `fit` makes the passes of the run by itself
    callbacks = _callbacks(options["callbacks"])
    history = next((callback for callback in callbacks if isinstance(callback, History)), None)
    if history is None:
        history = History()
        callbacks.append(history)
    most = config.max_epochs()
    last = min(options["epochs"], most) if most else options["epochs"]
    _split_off_validation(options)
    return Asked(
        options=options,
        callbacks=callbacks,
        history=history,
        first=min(options["initial_epoch"], last),
        last=last,
    )


def _callbacks(given: Any) -> list[Any]:
    if isinstance(given, CallbackList):
        raise UsageError("fit was given a CallbackList", hint="give it a list of callbacks")
    callbacks = tree.flatten(given) if given else []
    if any(isinstance(callback, BackupAndRestore) for callback in callbacks):
        raise UsageError(
            "BackupAndRestore would go back to its own checkpoint, which knows of whole epochs only",
            hint="leave it out: run.attach(model) does its work",
        )
    return list(callbacks)


def _split_off_validation(options: dict[str, Any]) -> None:
    """As Keras does it, which cannot do it any more once the data are ours."""
    split = options["validation_split"]
    if split and options["validation_data"] is None:
        parts, validation = array_slicing.train_validation_split(
            (options["x"], options["y"], options["sample_weight"]), validation_split=split
        )
        options["x"], options["y"], options["sample_weight"] = parts
        options["validation_data"] = validation
    options["validation_split"] = 0.0
