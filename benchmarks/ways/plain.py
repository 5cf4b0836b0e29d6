"""What people write by hand: nothing, `torch.save`, safetensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..training import Training
from .saver import Saver

__all__ = ["no_saving", "safetensors_save_file", "torch_save", "torch_save_fsync"]


class _TorchSave(Saver):
    def save(self, number: int) -> None:
        torch.save(self.training.state(), self.folder / f"{number}.pt")


class _TorchSaveFsync(Saver):
    def save(self, number: int) -> None:
        with (self.folder / f"{number}.pt").open("wb") as sink:
            torch.save(self.training.state(), sink)
            sink.flush()
            os.fsync(sink.fileno())


class _Safetensors(Saver):
    def save(self, number: int) -> None:
        save_file(self.training.tensors(), self.folder / f"{number}.safetensors")


@contextmanager
def no_saving(training: Training, folder: Path) -> Iterator[Saver]:
    """What all others are held against."""
    yield Saver(training, folder)


@contextmanager
def torch_save(training: Training, folder: Path) -> Iterator[Saver]:
    """Into the page cache; when it reaches the disk is the kernel's affair."""
    yield _TorchSave(training, folder)


@contextmanager
def torch_save_fsync(training: Training, folder: Path) -> Iterator[Saver]:
    """Onto the disk."""
    yield _TorchSaveFsync(training, folder)


@contextmanager
def safetensors_save_file(training: Training, folder: Path) -> Iterator[Saver]:
    """The tensors alone, into the page cache."""
    yield _Safetensors(training, folder)
