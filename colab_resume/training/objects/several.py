"""`run.track(scheds=[one, other])`: several objects at once, each tracked by itself, as `scheds_0` and `scheds_1`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UsageError
from ..data.generators import source_of
from .classes import has_a_way, is_node

__all__ = ["singly"]


def singly(objects: Mapping[str, Any]) -> dict[str, Any]:
    """These objects, with those of a list, tuple or dict one by one, if all of them are objects that can be tracked.

    `UsageError` if two would have one name.
    """
    found: dict[str, Any] = {}
    for name, thing in objects.items():
        for full, one in _named(name, thing):
            if full in found:
                raise UsageError(f"two tracked objects would be called {full}", hint="give one of them another name")
            found[full] = one
    return found


def _named(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    items = thing.items() if type(thing) is dict else enumerate(thing) if type(thing) in (list, tuple) else ()
    pairs = [(f"{name}_{key}", item) for key, item in items]
    if pairs and all(map(_can_be_tracked, (item for _, item in pairs))):
        yield from pairs
    else:
        yield name, thing


def _can_be_tracked(thing: Any) -> bool:
    return has_a_way(type(thing)) or is_node(thing) or source_of(thing) is not None
