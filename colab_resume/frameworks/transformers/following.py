"""How a run goes along with `trainer.train()`: its loops are led by the Trainer's.

A boundary lies where the Trainer asks for the batches of its next step: there the optimizer and the schedule have
stepped, and what belongs to the step (logging, evaluation, the Trainer's own checkpoint) is done. On a restart the
Trainer is told by a folder that holds its books and nothing else where to begin, so it counts and skips by itself; its
state is put back when it asks for its first batch, after everything that a start draws and sets.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

from ...display.text import say
from ..evaluating import without_trace
from ..host import Host
from .best_model import BestModel
from .boards import Boards
from .books import Books
from .callbacks import states_of
from .loader import FollowedLoader
from .refusing import refuse_other_ways
from .retelling import Retelling

__all__ = ["Following"]

_END = object()
_STATE_FILE = "trainer_state.json"
_DEPENDS_ON_TIME = ("runtime", "per_second")


class Following:
    """Of one trainer."""

    def __init__(self, run: Host, trainer: Any) -> None:
        self.run = run
        self._trainer = trainer
        self._callbacks = states_of(trainer)
        self._books = Books(trainer, self._callbacks)
        self._boards = Boards(trainer)
        self._listener = _Listener(self)
        self._epochs: Any = None
        self._steps: Any = None
        self._batches: Any = None
        self._steps_in_epoch = 0
        self._leading = False

    def take_over(self) -> None:
        """From now on the trainer's methods come by here."""
        trainer = self._trainer
        trainer.train = self._led(trainer.train)
        trainer.get_train_dataloader = self._followed(trainer.get_train_dataloader)
        trainer.evaluate = without_trace(trainer.evaluate, while_=lambda: self._leading)
        trainer._load_from_checkpoint = _loads_nothing
        trainer.add_callback(self._listener)
        if trainer.args.save_strategy != "no" and not trainer.args.load_best_model_at_end:
            say(
                f"{self.run.name} · the Trainer also writes checkpoints of its own to {trainer.args.output_dir}, on "
                'this machine\'s disk; the run does not need them: save_strategy="no" saves that time'
            )

    def _led(self, train: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(train)
        def led(resume_from_checkpoint: Any = None, trial: Any = None, ignore_keys_for_eval: Any = None) -> Any:
            refuse_other_ways(resume_from_checkpoint, trial)
            self._callbacks.meet()
            Retelling(self._trainer).meet()
            self._hear_last()
            self._books = Books(self._trainer, self._callbacks)
            self.run.track(trainer=self._books, best_model=BestModel(self._trainer), tensorboard=self._boards)
            self._books.draw_as_at_first()
            self._leading = True
            try:
                with self._begin() as begin:
                    output = train(resume_from_checkpoint=begin, ignore_keys_for_eval=ignore_keys_for_eval)
                return self._finish(output)
            finally:
                self._leave()

        return led

    def _hear_last(self) -> None:
        """When a training begins the loggers, also those that were added later, have begun before it is followed."""
        self._trainer.remove_callback(self._listener)
        self._trainer.add_callback(self._listener)

    @contextmanager
    def _begin(self) -> Iterator[str | None]:
        """A folder that says where to begin, in the form that the Trainer reads; None if that is the beginning."""
        books = self._books.to_begin_with()
        if books is None:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="colab-resume-") as folder:
            Path(folder, _STATE_FILE).write_text(json.dumps(books))
            yield folder

    def _followed(self, get: Callable[[], Any]) -> Callable[[], Any]:
        @wraps(get)
        def followed() -> Any:
            if not self._leading:
                return get()
            return FollowedLoader(get(), draw=self.draw, passed_over=lambda: self._books.batches_done)

        return followed

    def train_begins(self) -> None:
        """Everything that the training changes is there now."""
        trainer = self._trainer
        objects = {
            "model": trainer.model,
            "optimizer": getattr(trainer.optimizer, "optimizer", trainer.optimizer),
            "scheduler": trainer.lr_scheduler,
        }
        if (scaler := getattr(trainer.accelerator, "scaler", None)) is not None:
            objects["scaler"] = scaler
        self.run.track(**objects)
        self._boards.begin()
        loader = trainer.callback_handler.train_dataloader
        trainer.callback_handler.train_dataloader = loader.users_own
        self._steps_in_epoch = self._books.note_size(loader.size)
        state = trainer.state
        self._epochs = self.run.epochs(min(state.num_train_epochs, max(state.max_steps, 1)))

    def log(self, logs: dict[str, Any]) -> None:
        """What the Trainer logs; how long something took is no part of the history."""
        values = {
            name: value
            for name, value in logs.items()
            if name != "epoch" and not any(part in name for part in _DEPENDS_ON_TIME)
        }
        if values:
            self.run.log(**values)

    def draw(self, loader: FollowedLoader) -> Iterator[Any]:
        """The batches of the Trainer's next epoch, from where the run stopped."""
        self._begin_epoch(loader)
        self._begin_step(first=True)
        self._batches = iter(self.run.batches(loader.inner))
        accumulated = self._trainer.args.gradient_accumulation_steps
        # A batch must not be in hand at a boundary, so the loop asks for it afterwards.
        for number in count():
            if number and number % accumulated == 0:
                self._begin_step(first=False)
            batch = next(self._batches, _END)
            if batch is _END:
                return
            yield batch

    def _begin_epoch(self, loader: FollowedLoader) -> None:
        if self._steps is not None:
            self._end_epoch()
        epoch = next(self._epochs)
        loader.set_epoch(epoch)
        self._steps = self.run.steps(self._steps_in_epoch)

    def _begin_step(self, *, first: bool) -> None:
        if not first:
            self._books.step_done()
        next(self._steps)

    def _end_epoch(self) -> None:
        self._batches.close()
        self._steps.close()
        self._steps = None
        self._books.epoch_done()

    def _finish(self, output: Any) -> Any:
        """The training is complete; or it was stopped early, then it comes to the same end from the last checkpoint."""
        state = self._trainer.state
        if self._steps is not None and state.global_step < state.max_steps:
            return output
        if self._steps is not None:
            self._end_epoch()
            self._books.output = [*output]
        next(self._epochs, None)
        return type(output)(*self._books.output) if self._books.output else output

    def _leave(self) -> None:
        for loop in (self._batches, self._steps, self._epochs):
            if loop is not None:
                loop.close()
        self._batches = self._steps = self._epochs = None
        self._leading = False


class _Listener:
    """What the Trainer's callback handler calls."""

    def __init__(self, following: Following) -> None:
        self._following = following

    def __getattr__(self, event: str) -> Callable[..., None]:
        if not event.startswith("on_"):
            raise AttributeError(event)
        return _nothing

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._following.train_begins()

    def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
        self._following.log(logs)


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _loads_nothing(*_: Any, **__: Any) -> None:
    """The weights come from the run's checkpoint, when everything else does."""
