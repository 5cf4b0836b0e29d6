"""What the Trainer counts, as one tracked object: epochs, batches, steps, and whether it is to stop.

What the Trainer derives from its arguments is left as the code says it now; what the training has changed comes back.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from ...errors import StateMismatch
from ...training.data import randomness

__all__ = ["Books"]


class Books:
    """Of one call of `fit`. `complete`: whether it has come to its end."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._saved: dict[str, Any] | None = None
        self._at_begin = randomness.capture()
        self._noted: list[int | None] = []
        self.complete = False

    @property
    def batches_done(self) -> int:
        """How many batches of the current epoch were trained on."""
        return int(self._trainer.fit_loop.epoch_loop.batch_progress.current.ready)

    @property
    def epochs(self) -> int:
        """How many there are to be, at most."""
        loop = self._trainer.fit_loop
        if loop.max_epochs not in (None, -1):
            return int(loop.max_epochs)
        return sys.maxsize if loop.max_steps == -1 else int(loop.max_steps)

    def lead(self) -> None:
        """Let the Trainer begin in the right epoch: since its counters were put back it may have set some anew."""
        if self._saved is not None:
            self._put(self._saved)

    def draw_as_at_first(self) -> None:
        """Let the generators stand where they stood when `fit` was called for the first time: a cell that is run again
        has not made what was drawn before anew."""
        randomness.restore(self._at_begin)

    def note_size(self) -> None:
        """The data are known now, and no hook has changed anything yet; `StateMismatch` if an epoch had another number
        of batches."""
        now, then = self._size(), self._noted
        self._noted = now
        if then not in ([], now):
            raise StateMismatch(
                f"an epoch had {_words(then)} in the checkpoint, and has {_words(now)} now",
                hint="leave the data, their batch size, limit_train_batches and accumulate_grad_batches as they were, "
                "or start a run with another name",
            )

    def state_dict(self) -> dict[str, Any]:
        """All of it, live."""
        trainer = self._trainer
        epoch_loop = trainer.fit_loop.epoch_loop
        return {
            "progress": {name: progress.state_dict() for name, progress in _progress(trainer)},
            "stepped": epoch_loop._batches_that_stepped,
            "validated": epoch_loop.val_loop._has_run,
            "seen": dict(epoch_loop.val_loop._seen_batches_per_dataloader),
            "stop": trainer.should_stop,
            "size": self._noted,
            "begin": self._at_begin,
            "complete": self.complete,
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Put it back where it was."""
        self._saved = saved
        self._at_begin, self._noted, self.complete = saved["begin"], saved["size"], saved["complete"]
        self._put(saved)

    def _put(self, saved: dict[str, Any]) -> None:
        trainer = self._trainer
        epoch_loop = trainer.fit_loop.epoch_loop
        for name, progress in _progress(trainer):
            if name in saved["progress"]:
                progress.load_state_dict(saved["progress"][name])
        epoch_loop._batches_that_stepped = saved["stepped"]
        epoch_loop.val_loop._has_run = saved["validated"]
        epoch_loop.val_loop._seen_batches_per_dataloader.update(saved["seen"])
        trainer.should_stop = saved["stop"]

    def _size(self) -> list[int | None]:
        trainer = self._trainer
        batches = trainer.fit_loop.max_batches
        return [None if math.isinf(batches) else int(batches), int(trainer.accumulate_grad_batches)]


def _progress(trainer: Any) -> Iterator[tuple[str, Any]]:
    """The counters of the loops that take part in `fit`."""
    loop = trainer.fit_loop
    epoch_loop = loop.epoch_loop
    loops = {
        "fit": loop,
        "epoch": epoch_loop,
        "automatic": epoch_loop.automatic_optimization,
        "manual": epoch_loop.manual_optimization,
        "validation": epoch_loop.val_loop,
    }
    for name, one in loops.items():
        for attribute, value in vars(one).items():
            if is_dataclass(value) and hasattr(value, "load_state_dict"):
                yield f"{name}.{attribute}", value


def _words(size: list[int | None]) -> str:
    batches, accumulated = size
    return f"{'an unknown number of' if batches is None else batches} batches, {accumulated} to a step"
