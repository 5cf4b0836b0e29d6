"""What is made for a loop before it: a teacher, prototypes, pseudo labels, the choice of the data.

After a restart in the middle of an epoch its head runs again, with weights that have been trained since. What it makes
of these is then another thing than before the restart, and the rest of the epoch another training. So it is with what
is made between `run.track`, which puts trained weights back, and the loop. Nothing can mend that, for these are
variables of the user's code; but a few of their numbers are remembered, and a difference is told.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

from ..data.witness import a_few
from ..objects.modules import has_memory
from .carried import body_at, carried, made_before
from .changes import is_a_time, variables
from .tables import numbers_of_table

__all__ = ["differing", "entry_of", "head_of", "looked_at", "moved"]

THE_DATA = "the data of run.batches"
_LEAVES, _VALUES, _DEEP = 16, 16, 4
_NUMBERS = (bool, int, float, np.number)
_CLOSE, _NEARLY_THE_SAME = 1e-4, 1e-6
"""How far apart the same number may be on two processors, for the size of those beside it; and where nothing was
trained."""


def head_of(frame: FrameType, loader: Any, kept: Iterable[torch.nn.Module]) -> dict[str, Any]:
    """By the names of variables that the loop in `frame` reads, and that were made since the turn around it began:
    some of their numbers. `kept`: the modules that are tracked, whose weights are what they are."""
    if (body := body_at(frame)) is None:
        return {}
    fresh = made_before(frame, body)
    things = {name: thing for name, thing in carried(frame, body).items() if name in fresh}
    return looked_at({**things, THE_DATA: _data(loader)}, kept)


def entry_of(frame: FrameType, kept: Iterable[Any], covered: Collection[int], named: Collection[str]) -> dict[str, Any]:
    """The same of all that the loop reads, but for plain numbers, which people change.

    `covered`: the identities of what is tracked; `named`: variables that functions name which are tracked.
    """
    if (body := body_at(frame)) is None:
        return {}
    others = ((name, thing) for name, thing in carried(frame, body).items() if name not in named)
    read = (one for name, thing in others for one in variables(name, thing, covered))
    things = {name: thing for name, thing in read if not isinstance(thing, _NUMBERS) and id(thing) not in covered}
    return looked_at(things, [one for one in kept if isinstance(one, torch.nn.Module)])


def differing(before: Mapping[str, Any], now: Mapping[str, Any], *, close: float = _CLOSE) -> list[str]:
    """The names of what is not what it was."""
    return [name for name in now if name in before and not _alike(before[name], now[name], close)]


def moved(first: dict[str, str], loop: str, found: dict[str, Any]) -> list[str]:
    """The names of what is other than it was when this loop began first, before which nothing was trained. What it was
    is kept in `first`, as a text, which is quickly stored."""
    now = json.dumps(found)
    before = first.setdefault(loop, now)
    return differing(json.loads(before), json.loads(now), close=_NEARLY_THE_SAME)


def looked_at(things: Mapping[str, Any], kept: Iterable[torch.nn.Module]) -> dict[str, Any]:
    """Some numbers of each thing that has any, but for the weights of modules that are `kept`."""
    weights = (one for module in kept for one in (*module.parameters(), *module.buffers()))
    taken = {_memory(one) for one in weights if has_memory(one)} - {0}
    found = {}
    for name, thing in things.items():
        with suppress(Exception):  # things are of any kind, and some answer to no question
            if numbers := list(islice(_numbers(thing, taken, _DEEP), _LEAVES)):
                found[name] = numbers
    return found


def _numbers(thing: Any, covered: Collection[int], deep: int) -> Iterator[list[Any]]:
    if isinstance(thing, _NUMBERS):
        if not is_a_time(thing):
            yield np.asarray(thing).reshape(1).tolist()
    elif isinstance(thing, torch.Tensor):
        if thing.layout is torch.strided and _memory(thing) not in covered:
            yield from _some(thing.shape, thing.detach().reshape(-1))
    elif isinstance(thing, np.ndarray):
        if thing.dtype.kind in "biuf":
            yield from _some(thing.shape, thing.reshape(-1))
    elif isinstance(thing, torch.nn.Module):
        for one in (*thing.parameters(), *thing.buffers()):
            yield from _numbers(one, covered, deep)
    elif isinstance(thing, list | tuple) and thing and all(type(one) is int for one in thing):
        yield from _some([len(thing), sum(thing)], np.array(thing))
    elif isinstance(thing, list | tuple | dict) and deep:
        for one in islice(thing.values() if isinstance(thing, dict) else thing, _LEAVES):
            yield from _numbers(one, covered, deep - 1)
    elif (table := numbers_of_table(thing)) is not None:
        yield table


def _memory(tensor: torch.Tensor) -> int:
    """What a tensor and its views have in common."""
    return tensor.untyped_storage().data_ptr()


def _data(loader: Any) -> Any:
    """What a loader draws from, as far as it is known how to look at it."""
    if isinstance(loader, DataLoader):
        return _data(loader.dataset)
    if isinstance(loader, Subset):
        indices = loader.indices
        return list(indices) if isinstance(indices, range) else indices, _data(loader.dataset)
    if isinstance(loader, TensorDataset):
        return loader.tensors
    if isinstance(loader, ConcatDataset):
        return list(map(_data, loader.datasets))
    return loader if isinstance(loader, list | torch.Tensor | np.ndarray) else None


def _some(shape: Collection[int], values: Any) -> list[list[Any]]:
    """The shape, and a few of the numbers."""
    return [list(shape), [one.item() for one in a_few(values, _VALUES)]]


def _alike(before: Any, now: Any, close: float) -> bool:
    return len(before) == len(now) and all(_close(one, other, close) for one, other in zip(before, now, strict=True))


def _close(one: list[Any], other: list[Any], close: float) -> bool:
    if one == other or len(one) != len(other) or all(isinstance(number, int) for number in one):
        return one == other
    size = max((abs(number) for number in one if np.isfinite(number)), default=0.0)
    return np.allclose(one, other, rtol=0, atol=close * size, equal_nan=True)
