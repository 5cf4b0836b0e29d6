"""Data in which chance has a hand, for trainers that each want a row in a shape of their own."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor

__all__ = ["ROWS", "NoisyRows"]

ROWS = 44


class NoisyRows:
    """Rows that look different each time they are read, by all three of the usual generators."""

    def __init__(self, rows: int = ROWS, *, noise: float = 0.1) -> None:
        self._rows = torch.randn(rows, 6, generator=torch.Generator().manual_seed(1))
        self._noise = noise
        self.reads = 0

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, index: int) -> tuple[Tensor, Tensor]:
        """A row as it looks this time, and what is to be learned of it."""
        self.reads += 1
        row = self._rows[index]
        noise = torch.randn(6) + random.gauss(0, 1) + float(np.random.normal())
        return row + self._noise * noise, row.sum()
