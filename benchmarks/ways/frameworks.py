"""What the training frameworks do for their users: Lightning's asynchronous plugin, and the Trainer of transformers.

Neither has to be installed: a way that is not there says so by `LeftOut`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..training import Training
from .saver import LeftOut, Saver

__all__ = ["huggingface_trainer", "lightning_async"]


class _Lightning(Saver):
    def __init__(self, training: Training, folder: Path, plugin: Any, written: threading.Event) -> None:
        super().__init__(training, folder)
        self._plugin = plugin
        self._written = written
        self._written.set()

    def save(self, number: int) -> None:
        self._written.clear()
        self._plugin.save_checkpoint(self.training.state(), str(self.folder / f"{number}.ckpt"))

    def is_busy(self) -> bool:
        return not self._written.is_set()


@contextmanager
def lightning_async(training: Training, folder: Path) -> Iterator[Saver]:
    """The plugin by itself, without a Lightning Trainer around it."""
    try:
        from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO
    except ImportError as error:
        raise LeftOut(str(error)) from error

    class Telling(TorchCheckpointIO):
        """The plugin does not say when it has written."""

        def save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
            try:
                super().save_checkpoint(*args, **kwargs)
            finally:
                written.set()

    written = threading.Event()
    plugin = AsyncCheckpointIO(Telling())
    try:
        yield _Lightning(training, folder, plugin, written)
    finally:
        plugin.teardown()


class _Trainer(Saver):
    def __init__(self, training: Training, folder: Path, trainer: Any) -> None:
        super().__init__(training, folder)
        self._trainer = trainer

    def save(self, number: int) -> None:
        self._trainer.state.global_step = number
        self._trainer._save_checkpoint(self._trainer.model, trial=None)


@contextmanager
def huggingface_trainer(training: Training, folder: Path) -> Iterator[Saver]:
    """The method that its loop calls: model, optimizer, scheduler, RNG and its own state."""
    try:
        from transformers import Trainer, TrainingArguments
    except ImportError as error:
        raise LeftOut(str(error)) from error
    try:
        arguments = TrainingArguments(output_dir=str(folder), report_to=[], use_cpu=not training.on_gpu)
    except ImportError as error:
        raise LeftOut(str(error)) from error
    # A scheduler on an optimizer of its own: on the one that is measured it would wrap `step`, for all ways after it.
    other = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(other, lambda _: 1.0)
    yield _Trainer(training, folder, Trainer(training.model, arguments, optimizers=(training.optimizer, schedule)))
