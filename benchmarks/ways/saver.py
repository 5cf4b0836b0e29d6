"""What every way of saving looks like to a loop that is timed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

from ..training import Training

__all__ = ["LeftOut", "Saver", "Way"]


class Saver:
    """One way, opened on a training. What a loop does: `next(turns)`, passes, `wait_before_update()`, update; between
    two turns `save`, and, on nobody's time, `is_busy` and `tidy`."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training = training
        self.folder = folder
        self.turns: Iterator[int] = count()

    def save(self, number: int) -> None:
        """Save now, or begin to."""

    def wait_before_update(self) -> None:
        """Wait until the parameters may change."""

    def is_busy(self) -> bool:
        """Whether the last save is still under way."""
        return False

    def tidy(self) -> None:
        """Delete what was written. What is not on the disk yet then never gets there, so nobody pays for the one
        before."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


Way = Callable[[Training, Path], AbstractContextManager[Saver]]


class LeftOut(Exception):
    """A way that cannot be measured here, and why."""
