"""Passes over a loader without a training around them: what comes when nothing happens, and what after a restart."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from exactness import round_trip
from torch.utils.data import Dataset

from colab_resume.training.data.batches import Loaders, Pass

__all__ = ["Noisy", "noise", "one_pass", "restarted", "uninterrupted"]


def noise() -> float:
    """A number that all three global generators have a part in."""
    return round(torch.rand(1).item() + float(np.random.rand()) + random.random(), 6)


class Noisy(Dataset[Any]):
    """Each item tells its index and what all generators gave for it."""

    def __len__(self) -> int:
        return 21

    def __getitem__(self, index: int) -> tuple[int, float]:
        return index, noise()


def one_pass(loader: Any, *, seed: int, first: int = 0, loaders: Loaders | None = None) -> list[str]:
    """The items of one pass as texts."""
    return [repr(item) for item in (loaders or Loaders()).start(loader, seed=seed, first=first)]


def uninterrupted(loader: Any, lengths: Sequence[int | None]) -> list[list[str]]:
    """Passes one after the other, each left after so many items, or at its end if it is None."""
    loaders = Loaders()
    return [_drawn(loaders.start(loader, seed=seed, first=0), length) for seed, length in enumerate(lengths)]


def restarted(
    make: Callable[[], Any], lengths: Sequence[int | None], *, at: tuple[int, int], saves: bool = False
) -> list[list[str]]:
    """The same with a restart in pass `at[0]` after item `at[1]`; what went before it and what comes then.

    A restart means: new objects from `make`, and of the old ones only what a checkpoint can hold. If it `saves`, then
    there was a checkpoint after every item before it.
    """
    number, item = at
    old, loaders = make(), Loaders()
    done = [_drawn(loaders.start(old, seed=seed, first=0), lengths[seed], saves=saves) for seed in range(number)]
    saved, before = None, []
    if item:
        begun = loaders.start(old, seed=number, first=0)
        before = _drawn(begun, item)
        saved = begun.state() if begun.keeps_state else None
    stored = round_trip({"saved": saved, "kept": loaders.kept()})
    begun = None
    new, loaders = make(), Loaders()
    loaders.bring_back(stored["kept"])
    rest = []
    for seed in range(number, len(lengths)):
        first = item if seed == number else 0
        length = lengths[seed]
        again = loaders.start(new, seed=seed, first=first, saved=stored["saved"] if first else None)
        rest.append(_drawn(again, None if length is None else length - first))
    rest[0] = before + rest[0]
    return done + rest


def _drawn(items: Pass[Any], length: int | None, *, saves: bool = False) -> list[str]:
    texts = []
    for item in items if length is None else islice(items, length):
        texts.append(repr(item))
        if saves and items.keeps_state:
            items.state()
    return texts
