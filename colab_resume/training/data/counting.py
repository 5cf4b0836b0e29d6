"""Data that count: `self.n += 1` where items are made.

What an item is then hangs on how many were made before it, and in which process. A restart begins the count anew, a
batch that a worker makes ahead is counted too early, and nobody would notice. It is seen in the byte code of the user's
own classes.
"""

from __future__ import annotations

import dis
from collections.abc import Collection, Iterator
from inspect import getattr_static
from types import FunctionType
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from .making import has_state
from .reach import reachable
from .users_code import is_users_file, is_users_own

__all__ = ["counted_in"]

_MAKES_ITEMS = ("__getitem__", "__getitems__", "__call__", "forward")
_IS_ITERATED = ("__iter__", "__next__")


def counted_in(loader: Any, *, kept: Collection[int]) -> list[str]:
    """What the data of a torch loader count for themselves and nobody keeps, as `Class.attribute`.

    `kept`: the identities of objects whose state is saved. An `IterableDataset` counts where its copies in the workers
    live on; else each pass begins with the one that the training's own process has.
    """
    if not isinstance(loader, DataLoader):
        return []
    is_iterated = isinstance(loader.dataset, IterableDataset)
    if is_iterated and (not (loader.num_workers and loader.persistent_workers) or has_state(loader.dataset)):
        return []
    names = _IS_ITERATED if is_iterated else _MAKES_ITEMS
    found = reachable([loader.dataset, loader.collate_fn], lambda thing: _counts(thing, names, kept) or None)
    return sorted({name for one in found for name in one})


def _counts(thing: Any, names: tuple[str, ...], kept: Collection[int]) -> list[str]:
    kind: type[Any] = type(thing)
    if id(thing) in kept or not is_users_own(kind):
        return []
    return [f"{kind.__qualname__}.{attribute}" for attribute in _counters(kind, names)]


def _counters(kind: type[Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """The attributes that these methods, and those that they call, make of what they were before."""
    found: dict[str, None] = {}
    due, seen = list(names), set(names)
    while due:
        function = getattr_static(kind, due.pop(), None)
        if isinstance(function, FunctionType) and is_users_file(function.__code__.co_filename):
            found |= dict.fromkeys(_made_of_themselves(function))
            called = {name for name in function.__code__.co_names if name not in seen}
            seen |= called
            due += sorted(called)
    return tuple(found)


def _made_of_themselves(function: FunctionType) -> Iterator[str]:
    """`self.n += 1`, `self.n = self.n + 1`: right before it is stored comes what was computed, and then its owner."""
    steps = [step for step in dis.get_instructions(function) if step.opname not in ("CACHE", "SWAP", "COPY")]
    read = {step.argval for step in steps if step.opname == "LOAD_ATTR"}
    for number, step in enumerate(steps):
        if step.opname != "STORE_ATTR" or step.argval not in read:
            continue
        before = [one.opname for one in steps[max(0, number - 2) : number]]
        if "BINARY_OP" in before:
            yield step.argval
