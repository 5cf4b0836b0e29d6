"""What the iterables of two libraries do with their state besides what its two methods promise.

An `IterableDataset` of `datasets` begins every pass at the place it was once told, not only the next one; and with a
shuffle buffer it goes on with other examples, since the buffer comes back empty. A `Loader` of `torchdata.nodes` that
was told a place makes the next item already while it is opened, and not when it is asked for it.

They are known by their attributes, so that neither library is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["begins_anew", "forget_place", "loses_its_buffer", "not_looking_ahead"]

_PLACE = "_starting_state_dict"
_LOOKS_AHEAD = "restart_on_stop_iteration"


def begins_anew(thing: Any) -> bool:
    """Whether a pass never goes on where the one before it ended."""
    return hasattr(thing, _PLACE)


def forget_place(thing: Any) -> None:
    """The pass has begun at the place that it was told, and the next one is to begin at the beginning."""
    if hasattr(thing, _PLACE):
        setattr(thing, _PLACE, None)


def loses_its_buffer(thing: Any) -> bool:
    """Whether the state leaves out what is in a shuffle buffer."""
    return hasattr(thing, _PLACE) and _shuffles_in_a_buffer(thing)


def _shuffles_in_a_buffer(thing: Any) -> bool:
    inner = [getattr(thing, name, None) for name in ("_ex_iterable", "ex_iterable")]
    inner += getattr(thing, "ex_iterables", [])
    return "BufferShuffled" in type(thing).__name__ or any(_shuffles_in_a_buffer(part) for part in inner if part)


@contextmanager
def not_looking_ahead(thing: Any) -> Iterator[None]:
    """For opening it: the next item is made when it is asked for, on its own random numbers."""
    looks_ahead = getattr(thing, _LOOKS_AHEAD, None)
    if looks_ahead is None:
        yield
        return
    setattr(thing, _LOOKS_AHEAD, False)
    try:
        yield
    finally:
        setattr(thing, _LOOKS_AHEAD, looks_ahead)
