"""What the Trainer keeps in its books, as one tracked object: counters, history, running sums, and its callbacks.

What the Trainer derives from its arguments is left as the code says it now; what the training has changed comes back.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import torch

from ...display.text import warn
from ...errors import StateMismatch
from ...training.data import randomness
from ...training.objects.plain import copied
from ..callbacks import CallbackStates
from .best_model import moved_here
from .callbacks import exporting
from .log_history import LogHistory

__all__ = ["Books"]

_STATE = (
    "epoch",
    "global_step",
    "num_input_tokens_seen",
    "total_flos",
    "best_metric",
    "best_global_step",
    "best_model_checkpoint",
)
_RUNNING = (
    "_tr_loss",
    "_total_loss_scalar",
    "_globalstep_last_logged",
    "_initial_global_step",
    "_initial_num_input_tokens_seen",
    "current_flos",
)
_STEPS = ("logging_steps", "eval_steps", "save_steps")


class Books:
    """Of one call of `train`. `output` is what it returned, once it has come to its end."""

    def __init__(self, trainer: Any, callbacks: CallbackStates) -> None:
        self._trainer = trainer
        self._callbacks = callbacks
        self._log_history = LogHistory()
        self._epoch = self._step = 0
        self._size = self._max_steps = 0
        self._sized = True
        self._saved: dict[str, Any] | None = None
        self._at_begin = randomness.capture()
        self.output: list[Any] | None = None

    @property
    def batches_done(self) -> int:
        """How many batches of the current epoch were trained on."""
        return self._step * int(self._trainer.args.gradient_accumulation_steps)

    def step_done(self) -> None:
        """A step is complete, and another one follows in the same epoch."""
        self._step += 1

    def epoch_done(self) -> None:
        """The last step of an epoch is complete."""
        self._epoch, self._step = self._epoch + 1, 0

    def note_size(self, batches: int | None) -> int:
        """So many batches are in an epoch; how many steps that makes. `StateMismatch` if it was another number."""
        state, args = self._trainer.state, self._trainer.args
        sized = batches is not None
        size: int = max(1, math.ceil((batches or 0) / args.gradient_accumulation_steps)) if sized else state.max_steps
        if self._saved is not None:
            now = {"sized": sized, "accumulated": args.gradient_accumulation_steps}
            then = {name: self._saved[name] for name in now}
            if then != now or (sized and size != self._size):
                raise StateMismatch(
                    f"an epoch had {self._size} steps of {then['accumulated']} batches in the checkpoint, and has "
                    f"{size} of {now['accumulated']} now",
                    hint="leave the data, their batch size and gradient_accumulation_steps as they were, or start a "
                    "run with another name",
                )
            if self._max_steps != state.max_steps:
                warn(
                    f"the training was to have {self._max_steps} steps, and is to have {state.max_steps} now: from "
                    "here on the learning rate follows the new number"
                )
        self._size, self._sized, self._max_steps = size, sized, state.max_steps
        return size

    def draw_as_at_first(self) -> None:
        """Let the generators stand where they stood when `train` was called for the first time: samplers take their
        seed from them, and a cell that is run again has not made what was drawn before anew."""
        randomness.restore(self._at_begin)

    def to_begin_with(self) -> dict[str, Any] | None:
        """The books as the Trainer reads them when it resumes: they say where to begin. None if at the beginning."""
        if self._saved is None or not (self._epoch or self._step):
            return None
        args = self._trainer.args
        steps = {name: _chosen(getattr(args, name), self._saved[name]) for name in _STEPS}
        size = self._size if self._sized else args.max_steps
        # The Trainer finds epoch and step from this number; an epoch that a callback has cut short counts as a whole.
        begin = self._epoch * size + self._step
        empty = type(self._trainer.state)(stateful_callbacks=exporting(self._trainer))
        return {**asdict(empty), **steps, "train_batch_size": args.train_batch_size, "global_step": begin}

    def state_dict(self) -> dict[str, Any]:
        """All of it, live."""
        trainer = self._trainer
        return {
            "epoch": self._epoch,
            "step": self._step,
            "size": self._size,
            "sized": self._sized,
            "accumulated": trainer.args.gradient_accumulation_steps,
            "max_steps": self._max_steps,
            **{name: getattr(trainer.state, name) for name in _STEPS},
            "state": {name: getattr(trainer.state, name) for name in _STATE if hasattr(trainer.state, name)},
            "log_history": self._log_history.taken(trainer.state.log_history),
            "running": {name: getattr(trainer, name) for name in _RUNNING if hasattr(trainer, name)},
            "callbacks": self._callbacks.state(),
            "begin": self._at_begin,
            "output": self.output,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put it back where it was."""
        trainer = self._trainer
        self._saved = saved
        self._epoch, self._step, self._size = saved["epoch"], saved["step"], saved["size"]
        self._sized, self._max_steps, self.output = saved["sized"], saved["max_steps"], saved["output"]
        self._at_begin = saved["begin"]
        for name, value in saved["state"].items():
            setattr(trainer.state, name, copied(value))
        trainer.state.log_history = self._log_history.given_back(saved["log_history"])
        if (best := trainer.state.best_model_checkpoint) is not None:
            trainer.state.best_model_checkpoint = moved_here(trainer, best)
        for name, value in copied(saved["running"]).items():
            setattr(trainer, name, value.to(trainer.args.device) if isinstance(value, torch.Tensor) else value)
        self._callbacks.load(saved["callbacks"])


def _chosen(now: Any, then: Any) -> Any:
    """A number of steps is as the code says; a share of all steps was made a number when the training began."""
    return now if now is not None and now >= 1 else then
