"""`model.fit` as a part of the run: which one it is, where it goes on, and what is saved of it.

Each `fit` is a loop over epochs of the run, named by its number; each of its epochs is a pass. An epoch ends, for the
run, when the next one begins, after all callbacks; the last one when `fit` returns. A `fit` that is over is not run
again: it gives its History back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import keras
import torch
from keras.src.trainers.epoch_iterator import EpochIterator

from ...display.text import say, warn
from ...errors import StateMismatch, UsageError
from ...training.data.attached import Attached
from ...training.objects.stepping import Stepping
from ..host import Host
from . import variables
from .asked import Asked, asked
from .belongings import Belongings
from .best_files import best_file_of
from .boards import board_of
from .callbacks import Memories, lean
from .feeding import Feed, feed_for
from .logged import logged
from .optimizers import others
from .own_values import OwnValues
from .steps import Steps, announced, guided

__all__ = ["Fitting"]

_NAME = "keras"
_BACK_ENDS = ("torch", "tensorflow", "jax")

_newest: Attached[Fitting] = Attached()
"""The one of each run."""


class Fitting(Stepping):
    """All that is trained by `fit` calls of one model."""

    def __init__(self, run: Host, model: Any) -> None:
        _refuse_unknown(model)
        self._run = run
        self._model = model
        self._fit: Callable[..., Any] = model.fit
        self._over: list[dict[str, Any]] = []
        self._memories = Memories()
        self._boards = Belongings(board_of)
        self._best_files = Belongings(best_file_of)
        self._calls = 0
        self._now: _Now | None = None
        self._saved: Mapping[str, Any] | None = None
        self._others: list[Any] = []
        self._own_values = OwnValues(model)

    def begin(self) -> None:
        """Take the place of the model's own `fit`."""
        if keras.backend.backend() == "tensorflow":
            from ...training.tensorflow import chance

            chance.keep()
        self._run.track(**{_NAME: self})
        _newest.set(self._run, self)

        @wraps(self._fit)
        def fit(*args: Any, **kwargs: Any) -> Any:
            return self._run_fit(asked(inspect.signature(self._fit).bind(*args, **kwargs)))

        # Past Keras's own __setattr__, which looks for layers and variables in whatever it is given.
        vars(self._model)["fit"] = fit

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the training depends on."""
        now = None if self._now is None else self._now.state()
        own = self._own_values.taken()
        return {**variables.taken(self._model, self._others), "own": own, "fits": [*self._over], "fit": now}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Put it back: the weights at once if they are there, everything when the training is where it was saved."""
        self._saved = saved
        self._over = list(saved["fits"]) if self._now is None else saved["fits"][: self._calls]
        if self._run._loops.cursor.arrived:
            self._put(variables.groups_of(self._others))
            self._own_values.put(saved.get("own", []))
            self._go_on()
        elif self._model.built:
            self._put(("model",))

    def owned(self) -> Iterator[torch.Tensor]:
        """The weights that are trained, and the optimizers'."""
        if self._heard:
            yield from variables.stepped(self._model, self._others)

    def settings(self) -> Mapping[str, Any]:
        rate = variables.learning_rate(self._model)
        return {} if rate is None else {"optimizer.learning_rate": rate}

    @property
    def _heard(self) -> list[Any]:
        """The optimizers that can be heard before they step: on torch, and not inside of one compiled graph."""
        is_heard = keras.backend.backend() == "torch" and not self._model.jit_compile and self._model.optimizer
        return [self._model.optimizer, *self._others] if is_heard else []

    def _put(self, groups: tuple[str, ...]) -> None:
        saved = self._saved or {}
        if lines := variables.differences(self._model, saved, groups, self._others):
            raise StateMismatch(
                "the model is not that of the checkpoint; nothing was applied:\n  " + "\n  ".join(lines),
                hint="build and compile the same model as before, or start a run with another name",
            )
        variables.put(self._model, saved, groups, self._others)

    def _go_on(self) -> None:
        """What is under way goes on with what was saved of it; if that was over, it goes on for more epochs."""
        saved = self._saved or {}
        if self._now is None:
            return
        if saved["fit"] is None:  # an epoch has begun here, and had not yet where it was saved
            self._model.reset_metrics()
        then = saved["fit"] or next(iter(saved["fits"][self._calls :]), None)
        for line in self._now.load(then) if then else ():
            warn(f"{self._run.name}: {line}")

    def _run_fit(self, asked: Asked) -> Any:
        loops = self._run._loops
        if _newest.get(self._run) is not self:
            raise UsageError("another model was attached after this one", hint="attach one model to a run")
        if loops.cursor.inside:
            raise UsageError(
                "fit is called inside a loop of the run", hint="call fit outside of run.epochs; it counts for itself"
            )
        if self._model.steps_per_execution != 1 or _is_distributed(self._model):
            raise UsageError(
                "several steps in one go, or on several devices: control does not come back between two steps",
                hint="compile the model with steps_per_execution=1, outside of a strategy's scope, and without "
                "keras.distribution",
            )
        name = f"fit {self._calls + 1}"
        self._others = others(self._model)
        self._own_values.meet()
        loops.go_back_if_left(name)
        feed = feed_for(loops, asked.options, number=self._calls)
        over = next(iter(self._over[self._calls :]), None)
        if over is not None and _is_done(over, asked.epochs):
            self._pass_by(name, over, asked, feed)
        else:
            self._train(name, asked, feed)
        self._calls += 1
        return asked.history

    def _train(self, name: str, asked: Asked, feed: Feed) -> None:
        del self._over[self._calls :]
        loops = self._run._loops
        now = self._now_with(feed, asked)
        if self._saved is not None and not loops.cursor.arrived and self._saved["fit"] is not None:
            now.refuse_others(self._saved["fit"])
            now.put_boards(self._saved["fit"])
        steps = Steps(loops, name, asked.epochs, feed)
        self._now = now
        try:
            with (
                guided(self._model, feed),
                announced(self._heard, self.before_step),
                logged(self._model, self._run, steps, asked.callbacks) as last,
            ):
                self._fit(**_arguments(asked, feed, [steps, *asked.callbacks, last], steps.turns))
            self._over = [{**fit, "callbacks": lean(fit["callbacks"])} for fit in self._over]
            self._over.append({"turns": steps.turns, "asked": asked.epochs, **now.state()})
            self._now = None
            steps.end()
        finally:
            self._now = None
            steps.leave()

    def _pass_by(self, name: str, over: Mapping[str, Any], asked: Asked, feed: Feed) -> None:
        """This `fit` was run before: leave what it left."""
        now = self._now_with(feed, asked)
        iterator = EpochIterator(feed)
        iterator._get_iterator = feed.__iter__
        self._model._symbolic_build(iterator=iterator)
        about = {"verbose": asked.options["verbose"], "epochs": asked.last, "steps": feed.num_batches}
        for callback in asked.callbacks:
            callback.set_model(self._model)
            callback.set_params(about)
        self._model.history = asked.history
        now.load(over)
        now.put_boards(over)
        for _ in self._run._loops.counted("epochs", over["turns"], name):
            raise AssertionError("a loop that is over has a turn left")
        say(f"{self._run.name} · {name} is done: {over['turns']} of {over['asked']} epochs")

    def _now_with(self, feed: Feed, asked: Asked) -> _Now:
        return _Now(feed, asked.callbacks, self._memories, self._boards, self._best_files)


class _Now:
    """What is known of one `fit` besides the model."""

    def __init__(
        self, feed: Feed, callbacks: list[Any], memories: Memories, boards: Belongings, best_files: Belongings
    ) -> None:
        self._feed = feed
        self._callbacks = callbacks
        self._memories = memories
        self._boards = boards
        self._best_files = best_files
        memories.meet(callbacks)
        boards.meet(callbacks)
        best_files.meet(callbacks)

    def state(self) -> dict[str, Any]:
        """What is to be kept."""
        return {
            "data": self._feed.look,
            "order": self._feed.order,
            "hooks": [hooks.state() for hooks in self._feed.hooks],
            "callbacks": self._memories.taken(self._callbacks),
            "boards": self._boards.taken(self._callbacks),
            "best files": self._best_files.taken(self._callbacks),
        }

    def refuse_others(self, saved: Mapping[str, Any]) -> None:
        """Raise `StateMismatch` if the data are others now."""
        if saved["data"] != self._feed.look:
            raise StateMismatch(
                f"the checkpoint was made in a fit over {saved['data']}, and now it is {self._feed.look}",
                hint="call fit with the same data and batch_size as before, or start a run with another name",
            )

    def load(self, saved: Mapping[str, Any]) -> list[str]:
        """Put it back; returns a line for whatever begins as it is made."""
        self.refuse_others(saved)
        self._feed.order = saved["order"]
        for hooks, its in zip(self._feed.hooks, saved["hooks"], strict=False):
            hooks.load(its)
        self._best_files.put(saved["best files"], self._callbacks)
        return self._memories.put(saved["callbacks"], self._callbacks)

    def put_boards(self, saved: Mapping[str, Any]) -> None:
        """Before anything is written to them."""
        self._boards.put(saved["boards"], self._callbacks)


def _arguments(asked: Asked, feed: Feed, callbacks: list[Any], done: int) -> dict[str, Any]:
    """For Keras's own `fit`: the batches are ours, and so is the count of epochs."""
    ours = dict.fromkeys(("y", "sample_weight", "class_weight"))
    epochs = {"epochs": asked.last, "initial_epoch": asked.first + done}
    data = {"x": feed, "steps_per_epoch": feed.steps, "validation_data": feed.validation}
    return {**asked.options, **ours, **epochs, **data, "callbacks": callbacks}


def _is_done(over: Mapping[str, Any], epochs: int) -> bool:
    """Whether there is nothing left to do; a `fit` that was not stopped early may have been given more epochs."""
    turns: int = over["turns"]
    return turns < over["asked"] or turns >= epochs


def _is_distributed(model: Any) -> bool:
    return getattr(model, "_distribute_strategy", None) is not None or keras.distribution.distribution() is not None


def _refuse_unknown(model: Any) -> None:
    kind = type(model)
    if not isinstance(model, keras.Model):
        raise UsageError(f"run.attach({kind.__qualname__}) of Keras", hint="attach the model whose fit is called")
    if (runs_on := keras.backend.backend()) not in _BACK_ENDS:
        raise UsageError(
            f"Keras runs on {runs_on}, which is not known here",
            hint=f'set os.environ["KERAS_BACKEND"] to one of {", ".join(_BACK_ENDS)} before Keras is imported',
        )
    if not hasattr(EpochIterator, "_enumerate_iterator") or not hasattr(model, "_symbolic_build"):
        raise UsageError(f"Keras {keras.__version__} trains in a way that is not known here", hint="use Keras 3.13")
    if kind.fit.__module__.partition(".")[0] != "keras" or "fit" in vars(model):
        raise UsageError(
            f"{kind.__qualname__} has a fit of its own, or is attached already",
            hint="override train_step and leave fit as Keras has it; attach a model once",
        )
