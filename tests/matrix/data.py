"""The rows that are trained on, and where chance comes in: when a row is read, and when a step is made.

A batch is one tensor: three features and a class in each row, whatever kind of loader made it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

__all__ = ["BATCH", "CHANCE", "FEATURES", "ROWS", "Chance", "Rows", "as_batch"]

ROWS = 22
BATCH = 4
"""The last batch of a pass is smaller than the others."""

FEATURES = torch.tensor([1.0, 1.0, 1.0, 0.0])
"""Those of a row; what is added to them must leave its class alone."""


class Chance:
    """Shakes tensors; each kind draws from another generator. One of these is kept by the data, one by the training."""

    def __init__(self, seed: int) -> None:
        """`seed` is for those that keep a generator."""

    def __call__(self, x: Tensor) -> Tensor:
        return x

    @property
    def tracked(self) -> dict[str, Any]:
        """The generators that it keeps for itself, which a training has to track."""
        return {}


class _Python(Chance):
    def __call__(self, x: Tensor) -> Tensor:
        return x + random.gauss(0.0, 0.1)


class _Numpy(Chance):
    def __call__(self, x: Tensor) -> Tensor:
        return x * float(np.random.normal(1.0, 0.1))


class _Torch(Chance):
    def __call__(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


class _All(Chance):
    def __call__(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn(1) + random.random() + float(np.random.rand())


class _Picking(Chance):
    """Mixes rows with others that are picked at random, if there are others."""

    def __call__(self, x: Tensor) -> Tensor:
        picked = torch.randperm(len(x)) if random.random() < 0.7 else np.random.permutation(len(x))
        return 0.8 * x + 0.2 * x[picked]


class _OwnNumpy(Chance):
    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)

    def __call__(self, x: Tensor) -> Tensor:
        return x + float(self._numbers.normal(0.0, 0.1))

    @property
    def tracked(self) -> dict[str, Any]:
        return {"numbers": self._numbers}


class _OwnTorch(Chance):
    def __init__(self, seed: int) -> None:
        self._numbers = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn(x.shape, generator=self._numbers)

    @property
    def tracked(self) -> dict[str, Any]:
        return {"numbers": self._numbers}


class _OwnPython(Chance):
    def __init__(self, seed: int) -> None:
        self._numbers = random.Random(seed)

    def __call__(self, x: Tensor) -> Tensor:
        return x * self._numbers.uniform(0.9, 1.1)

    @property
    def tracked(self) -> dict[str, Any]:
        return {"numbers": self._numbers}


CHANCE: dict[str, Callable[[int], Chance]] = {
    "dropout alone": Chance,
    "python": _Python,
    "numpy": _Numpy,
    "torch": _Torch,
    "all three": _All,
    "picking": _Picking,
    "numpy.random.Generator": _OwnNumpy,
    "torch.Generator": _OwnTorch,
    "random.Random": _OwnPython,
}


class Rows(Dataset[Tensor]):
    """22 rows, shaken whenever they are read; a list of places gives them all at once."""

    def __init__(self, chance: Chance) -> None:
        generator = torch.Generator().manual_seed(3)
        features = torch.randn(ROWS, 3, generator=generator)
        self.rows = torch.cat([features, (features.prod(1, keepdim=True) > 0).float()], 1)
        self.chance = chance

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, place: int | list[int]) -> Tensor:
        row = self.rows[place]
        return torch.cat([self.chance(row[..., :3]), row[..., 3:]], -1)


def as_batch(item: Any) -> tuple[Tensor, Tensor]:
    """Features and classes of what a loader gave out."""
    rows = torch.as_tensor(item, dtype=torch.float32).reshape(-1, 4)
    return rows[:, :3], rows[:, 3].long()
