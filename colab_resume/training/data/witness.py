"""What a pass began with, and what comes next in it, in a few words: drawn again after a restart, it must be so again.

Where something decides that no seed reaches (a generator made without one, the time), a restart in mid-pass finds
another order: some data come twice, and others not at all. Where the order is the same, the items may be others all the
same: files that `listdir` gives in another order, words whose numbers come from a set. Nothing can mend that, but it
can be noticed, by one item of each pass and by the one that comes next. Of numbers a few are compared, and not to the
last bit: another processor may make the same picture a little differently, and that is no other picture.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
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
    """Of one pass. `seen`: what its first item looked like, plain, or None if that is not known yet; `due`: the same of
    the item that the pass is gone on with.

    `ahead`: the code has one more item in its hands than it has trained on.
    """

    def __init__(self, seen: Any = None, due: Any = None, *, ahead: bool = False) -> None:
        self.seen = seen
        self.differs = False
        """Whether the first item was another one when it was drawn again."""
        self.sizes: tuple[int, int] | None = None
        """How many the first item had in it before, and has now, if that is the difference."""
        self.goes_on_differently = False
        """Whether the item that was due was."""
        self._due = due
        self._ahead = ahead
        self._drawn: deque[tuple[Any, list[int] | None]] = deque(maxlen=1 + ahead)

    def over(self, items: Iterator[T]) -> Iterator[T]:
        """The items of the pass, from its first one on."""
        for number, item in enumerate(items):
            if number == 0:
                self._meet(_look(item))
            yield item

    def hand_on(self, item: Any) -> None:
        """The next item of the pass, wherever that was begun."""
        if self._due is not None:
            self.goes_on_differently = not _alike_if_known(self._due, _look(item))
            self._due = None
        self._drawn.append((item, _changes(item) if self._ahead else None))

    def coming(self) -> Any:
        """What the item looks like that a restart would go on with, as `due` takes it; None if nobody knows.

        What the code has in its hands it may have changed since it was drawn.
        """
        if len(self._drawn) != self._drawn.maxlen:
            return None
        item, changes = self._drawn[0]
        return _look(item) if not self._ahead or (changes is not None and changes == _changes(item)) else None

    def let_go(self) -> None:
        """The pass is over, and its items are others'."""
        self._drawn.clear()

    def _meet(self, look: list[Any] | None) -> None:
        self.differs = not _alike_if_known(self.seen, look)
        if self.differs and (before := _size(self.seen)) and (now := _size(look)) and before != now:
            self.sizes = before, now
        self.seen = look


def _look(item: Any) -> list[Any] | None:
    try:
        return list(islice(_leaves(item), _LEAVES))
    except Exception:  # noqa: BLE001 - data are of any kind; what cannot be looked at is trained on all the same
        return None


def _changes(item: Any) -> list[int] | None:
    """How often each of the tensors was changed that are looked at; None if there is something else to change."""
    found = list(islice(_flat(item), _LEAVES))
    if not all(isinstance(one, torch.Tensor | str | bytes | int | float) for one in found):
        return None
    tensors = [one for one in found if isinstance(one, torch.Tensor)]
    return None if any(one.is_inference() for one in tensors) else [one._version for one in tensors]


def _flat(item: Any) -> Iterator[Any]:
    if isinstance(item, Mapping | list | tuple):
        for value in item.values() if isinstance(item, Mapping) else item:
            yield from _flat(value)
    else:
        yield item


def _leaves(item: Any) -> Iterator[list[Any]]:
    if isinstance(item, torch.Tensor):
        yield _numbers(item.shape, item.detach().reshape(-1)) if item.device.type == "cpu" else list(item.shape)
    elif type(item).__module__.startswith("tensorflow.") and hasattr(item, "numpy"):
        yield from _leaves(np.asarray(memoryview(item)))  # its own memory: `numpy()` would copy all of it
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
    return [values[place] for place in _places(len(values), most)]


@lru_cache
def _places(count: int, most: int) -> tuple[int, ...]:
    return tuple(np.linspace(0, count - 1, min(count, most)).astype(int).tolist())


def _alike_if_known(before: Any, now: Any) -> bool:
    return None in (before, now) or _alike(before, now)


def _size(look: Any) -> int | None:
    """How many indices or rows it has, if it is of numbers."""
    first = look[0][0] if look and look[0] else None
    return first if isinstance(first, int) else None


def _alike(before: Any, now: Any) -> bool:
    return len(before) == len(now) and all(
        len(one) == len(other) and all(map(_same, one, other)) for one, other in zip(before, now, strict=True)
    )


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
