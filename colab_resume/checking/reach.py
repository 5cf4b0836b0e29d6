"""Everything that a training step can reach, found by walking, each thing once and under its shortest name.

What is tracked and what the step's code names come first, breadth first; what an optimizer or a scheduler refers to
comes later, since it belongs to somebody else, and what is only to be put back, without a name, comes last.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from ..errors import UsageError
from .bindings import Bindings, Cells, Names, Scope
from .fingerprint import is_plain
from .named import is_one_way, is_ours
from .openings import CHILDREN, CONTAINERS, Reference, is_data, is_stateful, opened, refers

__all__ = ["Found", "Owner", "Place", "Reached", "Root", "Slot", "reach"]

_AT_MOST = 1_000_000
_MANY = 100_000
_MANY_OF_DATA = 64
"""A longer list in a data set is data: in a list of transforms there are a few."""
_NEAR, _FAR, _HIDDEN = range(3)


@dataclass(frozen=True, eq=False)
class Owner:
    """Whom something belongs to, by the name that the user knows: what a line of the report is about."""

    name: str
    thing: Any
    tracked: str = ""
    """The name under which it, or what it is part of, is tracked."""

    @property
    def stateful(self) -> bool:
        """Whether it is something to track as it is."""
        return is_stateful(self.thing)


class Root(NamedTuple):
    """Where to begin. Without an owner it is put back, and not looked at."""

    path: str
    thing: Any
    owner: Owner | None = None


class Slot(NamedTuple):
    """A name or a place, what is bound there, and whose it is."""

    name: str
    value: Any
    path: str
    owner: Owner | None


class Place(NamedTuple):
    """Names bound in one place; `path` is what stands before each of them, and None before variables."""

    path: str | None
    bindings: Bindings
    slots: list[Slot]


@dataclass(frozen=True, eq=False)
class Found:
    """One thing, and all that it refers to."""

    path: str
    thing: Any
    owner: Owner | None
    data: bool
    places: list[Place] = field(default_factory=list)
    items: list[Slot] = field(default_factory=list)


@dataclass
class Reached:
    """All that was found, and the paths of iterators that cannot be set back."""

    found: list[Found] = field(default_factory=list)
    one_way: list[str] = field(default_factory=list)


class _Item(NamedTuple):
    slot: Slot
    rank: int
    data: bool
    spread: bool = False
    """Its items are seen as attributes of what it belongs to."""


def reach(roots: Iterable[Root]) -> Reached:
    """Walk from the roots to everything they are made of; `UsageError` if that is more than a million things."""
    walk = _Walk()
    for root in roots:
        walk.add(_Item(Slot("", root.thing, root.path, root.owner), _NEAR, data=False))
    walk.run()
    return walk.reached


class _Walk:
    def __init__(self) -> None:
        self.reached = Reached()
        self._seen: set[int] = set()
        self._homes: dict[str, int] = {}
        self._keep: list[Any] = []  # an id stays taken as long as its object lives
        self._lines: tuple[deque[_Item], ...] = (deque(), deque(), deque())

    def add(self, item: _Item) -> None:
        if not is_plain(item.slot.value):
            if item.slot.owner is None:
                item = item._replace(rank=_HIDDEN)
            self._lines[item.rank].append(item)

    def run(self) -> None:
        while line := next(filter(None, self._lines), None):
            self._visit(line.popleft())
            if len(self.reached.found) > _AT_MOST:
                raise UsageError(
                    f"the step can reach more than {_AT_MOST:,} objects, too many to keep and put back",
                    hint="let it get its data from a loader, or keep many small objects in one tensor",
                )

    def _visit(self, item: _Item) -> None:
        thing = item.slot.value
        # Tuples may be shared by accident: equal ones are often one object.
        if not isinstance(thing, tuple):
            if id(thing) in self._seen:
                return
            self._seen.add(id(thing))
            self._keep.append(thing)
        self.reached.found.append(self._open(item))

    def _open(self, item: _Item) -> Found:
        slot, thing, path = item.slot, item.slot.value, item.slot.path
        item = item._replace(data=item.data or is_data(thing))
        rank = max(item.rank, _FAR) if refers(thing) else item.rank
        found = Found(path, thing, slot.owner, item.data)
        bindings, references = opened(thing, path, at_most=_MANY_OF_DATA if item.data else _MANY)
        for place, names in bindings:
            slots = [self._bound(item, place, names, name) for name in names.names()]
            found.places.append(Place(place, names, slots))
            for one in slots:
                spread = one.name in CHILDREN and isinstance(thing, torch.nn.Module)
                child = one._replace(path=path, owner=slot.owner) if spread else one
                self.add(_Item(child, rank, item.data, spread))
        self._into(item, found, references, rank)
        return found

    def _into(self, item: _Item, found: Found, references: list[Reference], rank: int) -> None:
        thing = item.slot.value
        contains = isinstance(thing, (*CONTAINERS, tuple, np.ndarray))
        for label, value in references:
            slot = self._referred(item, label, value)
            if contains:
                found.items.append(slot)
            self.add(_Item(slot, rank, item.data))

    def _bound(self, item: _Item, place: str | None, names: Bindings, name: str) -> Slot:
        value = names.get(name)
        path = self._variable(names, name) if isinstance(names, (Names, Cells)) and place is None else f"{place}.{name}"
        variable = place is None or place != item.slot.path
        self._note_one_way(item, path, value)
        return Slot(name, value, path, _owner(item.slot.owner, path, value, variable=variable, attribute=True))

    def _variable(self, scope: Scope, name: str) -> str:
        """Its name, and more if another variable of this name was met before."""
        home = self._homes.setdefault(name, scope.home(name))
        return name if home == scope.home(name) else f"{scope.title}.{name}"

    def _referred(self, item: _Item, label: str, value: Any) -> Slot:
        variable = label.startswith(":")
        if item.spread:
            label = "." + label.strip("[]'\"")
        path = label[1:] if variable else item.slot.path + label
        attribute = item.spread
        return Slot(label, value, path, _owner(item.slot.owner, path, value, variable=variable, attribute=attribute))

    def _note_one_way(self, item: _Item, path: str, value: Any) -> None:
        if item.rank != _HIDDEN and not item.data and is_one_way(value):
            self.reached.one_way.append(path)


def _owner(parent: Owner | None, path: str, value: Any, *, variable: bool, attribute: bool) -> Owner | None:
    if parent is None or is_ours(type(value)):
        return None
    if variable:
        return Owner(path, value)
    if parent.stateful and not parent.tracked:
        return parent
    if attribute or (is_stateful(value) and not parent.tracked):
        return Owner(path, value, parent.tracked)
    return parent
