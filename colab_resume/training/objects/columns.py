"""Many tuples of small tensors that are alike, such as the transitions of a replay memory, as a few large tensors.

Ten thousand transitions of four tensors would be forty thousand pieces of a checkpoint, and seconds at a boundary. What
is one tensor in several places, as the next state of one transition is the state of the following one, is one again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import torch

from .classes import is_named_tuple
from .plain import is_plain

__all__ = ["COLUMNS", "as_columns", "rows_of"]

COLUMNS, _AT, _POOL, _POOLS, _MOST = (f"colab_resume {what}" for what in ("columns", "rows", "pool", "pools", "maxlen"))
_STACKED = (torch.Tensor, np.ndarray)
_FEW = 64
"""Fewer stay as they are."""
_SMALL = 1 << 14
"""Bytes; larger ones may as well be pieces of their own."""


def as_columns(value: Any, taken: Collection[int]) -> dict[str, Any] | None:
    """A list or deque of tuples, tensors or arrays that are alike; None for any other, and where it would not help.

    `taken`: the addresses of memory that belongs to others.
    """
    if type(value) not in (list, deque) or len(value) < _FEW:
        return None
    kind = type(value[0])
    if any(type(one) is not kind for one in value):
        return None
    is_row = kind is tuple or is_named_tuple(value[0])
    if (not is_row and kind not in _STACKED) or (is_row and len({len(one) for one in value}) > 1):
        return None
    pools = _Pools(taken)
    columns = [pools.column(column) for column in (zip(*value, strict=True) if is_row else (value,))]
    if None in columns or not pools.stacked:
        return None
    most = value.maxlen if isinstance(value, deque) else -1
    return {COLUMNS: columns, _POOLS: [pool.stack() for pool in pools.stacked], _MOST: most}


def rows_of(saved: Any, make: Any) -> Any:
    """The list or deque again; `make` makes a row of its items, or is None if there is one column and no rows."""
    pools = [[_alone(row) for row in pool] for pool in saved[_POOLS]]
    columns = [_items(column, pools) for column in saved[COLUMNS]]
    rows: Iterable[Any] = columns[0] if make is None else (make(row) for row in zip(*columns, strict=True))
    return list(rows) if saved[_MOST] == -1 else deque(rows, saved[_MOST])


class _Pool:
    """Different tensors, or arrays, of one kind."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._places: dict[int, int] = {}

    def place(self, item: Any) -> int:
        found = self._places.setdefault(id(item), len(self._items))
        if found == len(self._items):
            self._items.append(item)
        return found

    def stack(self) -> Any:
        return torch.stack(self._items) if isinstance(self._items[0], torch.Tensor) else np.stack(self._items)


class _Pools:
    def __init__(self, taken: Collection[int]) -> None:
        self._taken = taken
        self._numbers: dict[Any, int] = {}
        self.stacked: list[_Pool] = []

    def column(self, items: Sequence[Any]) -> Any:
        """The items themselves if they are plain, else where each of them is; None if they are not alike."""
        there = [item for item in items if item is not None]
        if not there or not isinstance(there[0], _STACKED):
            return list(items) if is_plain(tuple(items), self._taken) else None
        look = _look(there[0])
        if look is None or any(_look(item) != look for item in there) or not is_plain(tuple(there), self._taken):
            return None
        number = self._numbers.setdefault(look, len(self.stacked))
        if number == len(self.stacked):
            self.stacked.append(_Pool())
        pool = self.stacked[number]
        return {_POOL: number, _AT: np.array([-1 if item is None else pool.place(item) for item in items])}


def _look(item: Any) -> Any:
    """What has to be the same; None for what is not stacked."""
    if type(item) is torch.Tensor and item.device.type == "cpu" and not item.requires_grad and item.nbytes <= _SMALL:
        return torch.Tensor, item.dtype, item.shape
    if type(item) is np.ndarray and item.nbytes <= _SMALL and not item.dtype.hasobject:
        return np.ndarray, item.dtype, item.shape
    return None


def _items(column: Any, pools: Sequence[Sequence[Any]]) -> list[Any]:
    if isinstance(column, list):
        return column
    pool = pools[column[_POOL]]
    return [None if place < 0 else pool[place] for place in column[_AT].tolist()]


def _alone(row: Any) -> Any:
    """In memory of its own."""
    return row.clone() if isinstance(row, torch.Tensor) else row.copy()
