"""Stored pieces: which stretches of memory they are, and where in them each value of the state lies.

Values are gathered by the memory they look at. Where all of them are one and the same dense value, the piece is that
value, with its own dtype and shape, so that the file can be read with nothing but safetensors. Where they differ
(slices, transposed or expanded views, other dtypes over the same bytes), the piece is the bytes from the lowest to the
highest that any of them sees. Nothing is copied: a piece's source is the live memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch

from .layout import STORED_DTYPES, Layout
from .nodes import Node, Place

__all__ = ["Immutable", "Piece", "View", "divide"]

_RESERVED_BY_SAFETENSORS = "__metadata__"


@dataclass(frozen=True, eq=False)
class Immutable:
    """An array or a tensor in memory that nobody writes to as long as somebody holds it.

    So it is with what JAX and TensorFlow give out: who still has an old value keeps it, and the new one lies elsewhere.
    It is stored as the value that it holds.
    """

    value: torch.Tensor | np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Piece:
    """One stored tensor. `source` has this dtype and shape; it is live memory, maybe strided, maybe on a GPU.

    `immutable`: all values that it stores are.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    source: torch.Tensor
    immutable: bool = False

    @property
    def nbytes(self) -> int:
        return self.source.numel() * self.source.element_size()


@dataclass(frozen=True, eq=False)
class View:
    """One value's look at memory, in addresses.

    `node` is completed with where the bytes are stored. `stored` is the dtype under which the value could be a piece by
    itself. `root` is where the memory begins that the value is a view of, `start` where its first element lies.
    """

    owner: torch.Tensor | np.ndarray[Any, Any]
    node: Node
    place: Place
    layout: Layout
    stored: str | None
    device: str
    root: int
    start: int
    immutable: bool = False

    @property
    def low(self) -> int:
        return self.start + self.layout.low

    @property
    def high(self) -> int:
        return self.start + self.layout.high


def divide(views: Sequence[View]) -> tuple[Piece, ...]:
    """The pieces that store all these values, in the order in which they were met."""
    pieces: list[Piece] = []
    names = {"", _RESERVED_BY_SAFETENSORS}
    for group in _by_memory(views):
        for view in group:
            view.node["piece"] = len(pieces)
        key = _unused(group[0].place.dotted(), names)
        names.add(key)
        one = len({(view.stored, view.start, view.layout) for view in group}) == 1
        stored = group[0].stored if one else None
        dtype, shape, source = _value(group[0], stored) if stored else _span(group)
        pieces.append(Piece(key, dtype, shape, source, immutable=all(view.immutable for view in group)))
    return tuple(pieces)


def _by_memory(views: Sequence[View]) -> list[list[View]]:
    """The values by storage. Storages are one if their addresses overlap, as after `torch.from_numpy` of two slices."""
    storages: dict[tuple[str, int], list[View]] = {}
    for view in views:
        storages.setdefault((view.device, view.root), []).append(view)
    groups: list[list[View]] = []
    for storage in sorted(storages.values(), key=lambda group: (group[0].device, min(view.low for view in group))):
        if groups and _overlap(groups[-1], storage):
            groups[-1] += storage
        else:
            groups.append(storage)
    met = {view: number for number, view in enumerate(views)}
    return sorted((sorted(group, key=met.__getitem__) for group in groups), key=lambda group: met[group[0]])


def _overlap(lower: list[View], upper: list[View]) -> bool:
    if lower[0].device != upper[0].device:
        return False
    return min(view.low for view in upper) < max(view.high for view in lower)


def _unused(name: str, names: set[str]) -> str:
    if name not in names:
        return name
    return next(other for other in (f"{name}#{number}" for number in count(2)) if other not in names)


def _value(view: View, stored: str) -> tuple[str, tuple[int, ...], torch.Tensor]:
    source = view.owner
    if isinstance(source, np.ndarray):
        dtype, shape = STORED_DTYPES[stored], view.layout.shape
        source = _bytes_at(view.start, view.layout.nbytes, [view]).view(dtype).view(shape)
    return stored, view.layout.shape, source


def _span(views: list[View]) -> tuple[str, tuple[int, ...], torch.Tensor]:
    tensors = [view for view in views if isinstance(view.owner, torch.Tensor)]
    # torch counts offsets in elements, so the span begins at a multiple of the largest element. numpy does not care.
    step = max((view.layout.itemsize for view in tensors), default=1)
    low, high = min(view.low for view in views), max(view.high for view in views)
    start = low - (low - min(view.root for view in views)) % step
    for view in views:
        view.node["offset"] = view.start - start
    for view in tensors:
        if (view.start - start) % view.layout.itemsize:
            raise view.place.refused("shares memory with another value at an odd offset", hint="store a clone of one")
    return "U8", (high - start,), _bytes_at(start, high - start, views)


def _bytes_at(start: int, nbytes: int, views: list[View]) -> torch.Tensor:
    """The live bytes at an address: through the storage of a tensor if there is one, else through numpy."""
    empty = torch.empty(0, dtype=torch.uint8, device=views[0].device)
    if not nbytes:
        return empty
    for view in views:
        if isinstance(view.owner, torch.Tensor):
            storage = view.owner.untyped_storage()
            offset = start - storage.data_ptr()
            if 0 <= offset <= storage.nbytes() - nbytes:
                return empty.set_(storage, offset, (nbytes,), (1,))
    if views[0].device != "cpu":
        raise views[0].place.refused("shares memory that no single storage covers", hint="store a clone of it")
    return torch.from_numpy(np.asarray(_Window(start, nbytes, views)))


class _Window:
    """Bytes of live arrays for `np.asarray`, whatever their dtype, order or base; it keeps their memory alive.

    It calls read-only memory writable, because torch warns of read-only arrays. Nobody writes to a source.
    """

    def __init__(self, start: int, nbytes: int, views: list[View]) -> None:
        self.__array_interface__ = {"data": (start, False), "shape": (nbytes,), "typestr": "|u1", "version": 3}
        self._owners = [view.owner for view in views]
