"""The training that is killed: it has all that must come back, and at each step a digest that shows if one bit did not.

100 steps in 5 epochs: shuffling, augmentation that draws from three generators, dropout, batch norm, AdamW with a
schedule, an averaged copy of the model, plain values, and a loop that draws random numbers itself.
"""

from __future__ import annotations

import copy
import hashlib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from colab_resume.errors import NotSafe
from colab_resume.run import Run

__all__ = ["NAME", "STEPS", "Result", "train", "unwatched"]

NAME = "killed"
_EPOCHS = 5
_ROWS = 80
_BATCH = 4
STEPS = _EPOCHS * _ROWS // _BATCH

AfterStep = Callable[[int, str], None]


class _Rows(Dataset[tuple[Tensor, int]]):
    """Rows that look different each time they are read."""

    def __init__(self) -> None:
        self._rows = torch.randn(_ROWS, 8, generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return _ROWS

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row = self._rows[index]
        noise = 0.1 * torch.randn(8) + random.gauss(0, 0.1) + float(np.random.normal(0, 0.1))
        return row + noise, int(row.sum() > 0)


class _Model(nn.Module):
    """A small head on a large backbone that is never trained, so that checkpoints lean on older packs."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(8, 1024).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(x + self.backbone(x)[:, :8])
        return logits


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a training ended: all of its state as a digest, also after each step of this life, its metrics, and what the
    run said of itself."""

    digest: str
    steps: list[str]
    history: list[list[Any]]
    restored: int | None
    set_aside: list[str]
    problems: list[str]
    safe: int | None
    not_safe: str


class _Parts:
    """The user's objects."""

    def __init__(self, workers: int) -> None:
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        self.model = _Model()
        self.average = copy.deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(self.model.head.parameters(), lr=1e-2)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 0.05, total_steps=STEPS)
        self.loader = DataLoader(_Rows(), _BATCH, shuffle=True, num_workers=workers)

    def step(self, x: Tensor, y: Tensor) -> Tensor:
        """One step of the training, as a user writes it."""
        if random.random() < 0.5:
            x = x.flip(1)
        x = x * (1 + 0.01 * float(np.random.normal()))
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(now, 0.1)
        return loss

    def digest(self, values: Mapping[str, object]) -> str:
        """All that decides how the training goes on."""
        digest = hashlib.blake2b(digest_size=12)
        objects = (self.model, self.average, self.optimizer, self.scheduler)
        _feed(digest, [thing.state_dict() for thing in objects])
        _feed(digest, [values, random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()])
        return digest.hexdigest()


def unwatched(step: int, digest: str) -> None:
    """Nobody looks at the steps."""


def train(run: Run, *, workers: int = 0, after_step: AfterStep = unwatched) -> Result:
    """Train to the end, finish the run, and tell how it was."""
    parts = _Parts(workers)
    run.track(model=parts.model, average=parts.average, optimizer=parts.optimizer, scheduler=parts.scheduler)
    values = run.state(seen=0, best=math.inf)
    steps = []
    for _ in run.epochs(_EPOCHS):
        for x, y in run.batches(parts.loader):
            loss = parts.step(x, y)
            values.seen += 1
            values.best = min(values.best, loss.item())
            run.log(loss=loss, seen=values.seen)
            steps.append(parts.digest(vars(values)))
            after_step(values.seen, steps[-1])
    history = [[record.step, record.epoch, repr(dict(record.values))] for record in run.history()]
    not_safe = ""
    try:
        run.finish()
    except NotSafe as error:
        not_safe = error.what
    status = run.status()
    return Result(
        digest=parts.digest(vars(values)),
        steps=steps,
        history=history,
        restored=status.restored,
        set_aside=list(status.set_aside),
        problems=list(status.problems),
        safe=status.safe,
        not_safe=not_safe,
    )


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Tensor):
        digest.update(value.numpy(force=True).tobytes())
    elif isinstance(value, np.ndarray):
        digest.update(value.tobytes())
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            digest.update(repr(key).encode())
            _feed(digest, inner)
    elif isinstance(value, (list, tuple)) and len(value) < 100:
        digest.update(str(len(value)).encode())
        for inner in value:
            _feed(digest, inner)
    else:
        digest.update(repr(value).encode())
