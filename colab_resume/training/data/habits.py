"""What samplers change in themselves by being drawn from, such as an epoch they count, and keep for the next pass.

The promise: such values are, when a pass is entered again, what they were when it began; and when the next pass begins
after a restart, what the last one left. What the user's own code sets between two passes stays as it sets it.

Looked at are plain values: numbers, texts, and short containers of them, in the attributes of samplers, of the user's
own iterables, and of such as they are made of.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset, IterableDataset, Sampler

from .users_code import is_users_own

__all__ = ["Habits"]

_DEEP = 3
_MANY = 256
_PLAIN = (int, float, complex, type(None), np.generic)
_MISSING = object()


class Habits:
    """Those of one loader; the objects that have them are named at each call, so that nothing is kept alive."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._at_first: dict[str, Any] | None = None
        self._at_begin: dict[str, Any] = {}
        self._seen: dict[str, Any] | None = None
        self._brought: Mapping[str, Any] | None = None

    def begin(self, owners: Sequence[Any], at_begin: Mapping[str, Any]) -> None:
        """A pass begins; if it is entered again, `at_begin` is what `at_begin()` was."""
        if self._brought is not None:
            self._put_back(owners, self._brought)
            self._brought = None
        elif self._at_first is None:
            self._at_first = _values(owners)
        self._names |= at_begin.keys()
        _set(owners, at_begin)
        self._at_begin = _values(owners)

    def learn(self, owners: Sequence[Any]) -> None:
        """Only draws have happened since `begin`: what differs now, they have changed."""
        self._seen = _values(owners)
        self._names |= {name for name, value in self._seen.items() if self._at_begin.get(name, _MISSING) != value}

    def at_begin(self) -> dict[str, Any]:
        """The values that draws are known to change, as they were when this pass began."""
        return {name: self._at_begin[name] for name in sorted(self._names & self._at_begin.keys())}

    def kept(self, owners: Sequence[Any]) -> dict[str, Any]:
        """Between two passes: the values as the next one needs them after a restart, and as they were at first."""
        now, first = _values(owners), self._at_first or {}
        return {
            "now": {name: now[name] for name in sorted(self._names & now.keys())},
            "first": {name: first[name] for name in sorted(self._names & first.keys())},
        }

    def bring_back(self, kept: Mapping[str, Any] | None) -> None:
        """Let the next pass begin with what `kept` gave, or as the first one did."""
        self._brought = kept or {"now": {}, "first": self._at_first or {}}

    def _put_back(self, owners: Sequence[Any], kept: Mapping[str, Any]) -> None:
        now, first = _values(owners), kept["first"]
        self._names |= kept["now"].keys()
        self._at_first = {name: value for name, value in now.items() if name not in self._names} | first
        # Where they are neither as at first nor as the last pass has left them, the user's code has set them.
        known = first if self._seen is None else self._seen
        untouched = {name for name in self._names if now.get(name, _MISSING) == known.get(name, _MISSING)}
        then = first | kept["now"]
        _set(owners, {name: then.get(name, _MISSING) for name in untouched})


def _values(owners: Sequence[Any]) -> dict[str, Any]:
    return {
        f"{path}.{name}": copy.deepcopy(value)
        for path, holder in _holders(owners)
        for name, value in vars(holder).items()
        if _is_plain(value)
    }


def _set(owners: Sequence[Any], values: Mapping[str, Any]) -> None:
    holders = dict(_holders(owners)) if values else {}
    for name, value in values.items():
        path, _, attribute = name.rpartition(".")
        if path in holders and value is _MISSING:
            vars(holders[path]).pop(attribute, None)
        elif path in holders:
            vars(holders[path])[attribute] = copy.deepcopy(value)


def _holders(owners: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    met: set[int] = set()
    level = [(str(number), owner) for number, owner in enumerate(owners)]
    for _ in range(_DEEP):
        level = [(path, thing) for path, thing in level if _may_have_habits(thing) and id(thing) not in met]
        met |= {id(thing) for _, thing in level}
        yield from level
        level = [(f"{path}.{name}", value) for path, thing in level for name, value in vars(thing).items()]


def _may_have_habits(thing: Any) -> bool:
    if isinstance(thing, Dataset) and not isinstance(thing, IterableDataset):
        return False
    kind = type(thing)
    drawn_from = issubclass(kind, Sampler) or (hasattr(kind, "__iter__") and is_users_own(kind))
    return drawn_from and hasattr(thing, "__dict__") and len(vars(thing)) <= _MANY


def _is_plain(value: Any, left: int = _MANY) -> bool:
    if isinstance(value, str | bytes):
        return len(value) <= _MANY
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | deque):
        return len(value) <= left and all(_is_plain(part, left // max(len(value), 1)) for part in value)
    return isinstance(value, _PLAIN)
