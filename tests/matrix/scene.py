"""What a training of the matrix is given: one life on one VM, and the moment at which that VM is killed.

A moment is a place in the training's code and the number of steps that are done. The training says whenever it comes to
one; so the one that nobody kills gives the list of moments from which the deaths of the others are chosen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matrix.data import CHANCE, Chance, Rows, as_batch
from matrix.loaders import LOADERS, Source
from matrix.parts import PARTS, Parts
from torch.utils.data import DataLoader
from vm import die

import colab_resume

__all__ = ["CADENCES", "EPOCHS", "STEPS", "Cadence", "Moment", "Scene", "endless"]

Moment = tuple[str, int]

EPOCHS = 3
STEPS = 13


@dataclass(frozen=True)
class Cadence:
    """How often is saved; and whether each save is waited for, so that it is known which steps a death costs."""

    every: int | str
    waits: bool = True


CADENCES = {
    "every step": Cadence(1),
    "every third step": Cadence(3),
    "ends of loops": Cadence(10**6),
    "by the clock": Cadence("0.02 s"),
    "as it comes": Cadence(1, waits=False),
}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One life. `life` counts them; `death` is where it ends, None for a life to the end."""

    store: Path
    remote: Path
    loader: str
    chance: str
    parts_name: str
    cadence: Cadence
    workers: int = 0
    life: int = 0
    death: Moment | None = None
    moments: list[Moment] = field(default_factory=list)

    @cached_property
    def run(self) -> colab_resume.Run:
        torch.manual_seed(5)
        np.random.seed(6)
        random.seed(7)
        return colab_resume.setup("t", store=self.store, remote=self.remote, every=self.cadence.every)

    @cached_property
    def rows(self) -> Rows:
        return Rows(CHANCE[self.chance](1))

    @cached_property
    def shake(self) -> Chance:
        """Chance in the training's own steps."""
        return CHANCE[self.chance](2)

    def source(self) -> Source:
        return LOADERS[self.loader](self.rows, self.workers)

    def parts(self, name: str = "") -> Parts:
        """New ones, tracked; those of a second net need a name."""
        parts = PARTS[self.parts_name](self.life, name)
        self.run.track(**parts.tracked, **self.shake.tracked)
        return parts

    def at(self, place: str) -> None:
        """The training is at this place: perhaps it dies here."""
        moment = (place, self.run.status().step)
        self.moments.append(moment)
        if self.cadence.waits:
            self.run._saving.writer.wait(None)
        if moment == self.death:
            if self.cadence.waits:
                self.run.flush()
            die()

    def step(self, parts: Parts, item: Any, make: Callable[..., float] | None = None) -> float:
        """One step as most loops make it, or as `make` does it; what it logs belongs to what is compared."""
        self.at("before")
        x, y = as_batch(item)
        loss = (make or parts.step)(self.shake(x), y)
        self.run.log(loss=loss, rate=parts.rate)
        self.at("after")
        return loss

    def validate(self, parts: Parts) -> float:
        """Over a loader that the run knows nothing of, with draws from the global generators."""
        total = 0.0
        for item in DataLoader(Rows(CHANCE["all three"](3)), 11, shuffle=True):
            self.at("validating")
            total += parts.value(*as_batch(item))
        self.run.log(validation=total)
        return total


def endless(run: colab_resume.Run, source: Source, *, ahead: bool | None = None) -> Iterator[Any]:
    while True:
        yield from run.batches(source(), ahead=ahead)
