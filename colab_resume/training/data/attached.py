"""Values that belong to other people's objects, for as long as those live, and without keeping them alive.

By identity: a loader may be a dataclass, which has no hash, or compare like an array, element by element.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

__all__ = ["Attached"]

V = TypeVar("V")


class Attached(Generic[V]):
    """One value for each object; what cannot be referred to weakly, such as a list, has none."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref[Any], V]] = {}

    def __iter__(self) -> Iterator[tuple[Any, V]]:
        """The objects that live and their values, the oldest first."""
        living = [(reference(), value) for reference, value in self._values.values()]
        return ((thing, value) for thing, value in living if thing is not None)

    def get(self, thing: Any) -> V | None:
        """Its value, if it has one."""
        found = self._values.get(id(thing))
        return found[1] if found is not None and found[0]() is thing else None

    def set(self, thing: Any, value: V) -> None:
        """Keep this value until the object is gone."""
        key, values = id(thing), self._values
        try:
            values[key] = (weakref.ref(thing, lambda _: values.pop(key, None)), value)
        except TypeError:  # a list, a tuple, a zip object
            values.pop(key, None)
