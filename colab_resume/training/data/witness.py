"""What a pass began with, in a few words: drawn again after a restart, it must begin so again.

Where something decides that no seed reaches (a generator made without one, the time, other files than then), a restart
in mid-pass finds another order: some data come twice, and others not at all. Nothing can mend that, but it can be
noticed, by one item of each pass. Of numbers a few are compared, and not to the last bit: another processor may make
the same picture a little differently, and that is no other picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch

__all__ = ["Witness", "a_few"]

T = TypeVar("T")

_LEAVES, _VALUES, _LETTERS = 4, 8, 64
_CLOSE = 1e-3
"""How far apart the same value may be on two processors, by itself or for its size."""


class Witness:
    """Of one pass. `seen`: what its first item looked like, plain, or None if that is not known yet."""

    def __init__(self, seen: Any = None) -> None:
        self.seen = seen
        self.differs = False
        """Whether the first item was another one when it was drawn again."""

    def over(self, items: Iterator[T]) -> Iterator[T]:
        """The items of the pass, from its first one on."""
        for number, item in enumerate(items):
            if number == 0:
                self._meet(_look(item))
            yield item

    def _meet(self, look: list[Any] | None) -> None:
        self.differs = None not in (self.seen, look) and not _alike(self.seen, look)
        self.seen = look


def _look(item: Any) -> list[Any] | None:
    try:
        return list(islice(_leaves(item), _LEAVES))
    except Exception:  # noqa: BLE001 - data are of any kind; what cannot be looked at is trained on all the same
        return None


def _leaves(item: Any) -> Iterator[list[Any]]:
    if isinstance(item, torch.Tensor):
        yield _numbers(item.shape, item.detach().reshape(-1)) if item.device.type == "cpu" else list(item.shape)
    elif isinstance(item, np.ndarray) and item.dtype.kind in "biuf":
        yield _numbers(item.shape, item.reshape(-1))
    elif isinstance(item, bool | int | float | np.number):
        yield [float(item)]
    elif isinstance(item, str):
        yield [item.rpartition("/")[2][:_LETTERS]]  # a path may lead through another folder on another VM
    elif isinstance(item, bytes):
        yield [repr(item[:_LETTERS])]
    elif isinstance(item, Mapping):
        for value in item.values():
            yield from _leaves(value)
    elif isinstance(item, list | tuple) and all(isinstance(value, int | float) for value in item):
        yield _numbers([len(item)], item)
    elif isinstance(item, list | tuple):
        for value in item:
            yield from _leaves(value)
    else:
        yield [type(item).__qualname__]


def _numbers(shape: Any, values: Any) -> list[Any]:
    return [*shape, *map(float, a_few(values, _VALUES))]


def a_few(values: Any, most: int) -> list[Any]:
    """Of as many values as there are so many at most, from all over."""
    places = np.linspace(0, len(values) - 1, min(len(values), most)).astype(int).tolist()
    return [values[place] for place in places]


def _alike(before: Any, now: Any) -> bool:
    return len(before) == len(now) and all(
        len(one) == len(other) and all(map(_same, one, other)) for one, other in zip(before, now, strict=True)
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
