"""What a `fit` of Keras measures, as it is logged.

The last of all callbacks logs it, when all others are done. But JAX computes a step while Python goes on, and where no
callback asks for a step's numbers Keras lets its bar read them in a thread. There they are taken from what the step
returns, and logged when they are there: else the next batch would be made only when the step is done.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from keras import backend
from keras.callbacks import Callback, CallbackList
from keras.src.utils.python_utils import pythonify_logs

from ..host import Host
from .steps import Steps

__all__ = ["logged"]


@contextmanager
def logged(model: Any, run: Host, steps: Steps, others: Sequence[Any]) -> Iterator[Callback]:
    """While Keras's `fit` runs with these callbacks: the one that comes after them."""
    if not _goes_ahead(others):
        yield _Ends(run, steps)
        return
    home, make, ear = vars(model), model.make_train_function, _Ear(model, run)

    def make_heard(*args: Any, **options: Any) -> None:
        ear.take_off()
        make(*args, **options)
        ear.put_on()

    home["make_train_function"] = make_heard
    try:
        yield _EpochEnds(run, steps)
    finally:
        del home["make_train_function"]
        ear.take_off()


class _Ear:
    """Stands in the place of what trains a step, and hears what that measures."""

    def __init__(self, model: Any, run: Host) -> None:
        self._home = vars(model)  # past Keras's own __setattr__
        self._run = run
        self._train: Any = None

    def put_on(self) -> None:
        """The model has one now."""
        self._train, self._home["train_function"] = self._home["train_function"], self

    def take_off(self) -> None:
        """Leave it as it was; but compiling the model has taken it away."""
        if self._home["train_function"] is self:
            self._home["train_function"] = self._train

    def __call__(self, *args: Any) -> Any:
        logs, state = self._train(*args)
        self._run._log_soon(set(_names(logs)), lambda: _numbers(pythonify_logs(logs)))
        return logs, state


class _EpochEnds(Callback):  # type: ignore[misc]
    """Logs what an epoch has measured."""

    def __init__(self, run: Host, steps: Steps) -> None:
        super().__init__()
        self._run = run
        self._steps = steps

    def on_epoch_end(self, _epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """All other callbacks have done what they do at the end of an epoch."""
        self._steps.epoch_ends()
        self._run.log(**_numbers(logs))


class _Ends(_EpochEnds):
    """And what each step has."""

    def on_train_batch_end(self, _batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """A step is done."""
        self._run.log(**_numbers(logs))


def _goes_ahead(callbacks: Sequence[Any]) -> bool:
    """Whether Keras goes on with the next step before the numbers of this one are there."""
    return backend.backend() == "jax" and bool(getattr(CallbackList(callbacks), "_async_train", False))


def _names(logs: Mapping[str, Any]) -> Iterator[str]:
    for name, value in logs.items():
        yield from _names(value) if isinstance(value, dict) else (name,)


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    return {str(name): float(value) for name, value in (logs or {}).items() if isinstance(value, numbers.Real)}
