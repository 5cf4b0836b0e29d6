"""What the iterables of two libraries do with their state besides what its two methods promise.

An `IterableDataset` of `datasets` begins every pass at the place it was once told, not only the next one; and where it
makes several examples at a time it goes on with others: a shuffle buffer comes back empty, and what `map(batched=True)`
and `batch` have made is made again, of other random numbers, or left out (in 4.0.0, which Colab has). A `Loader` of
`torchdata.nodes` that was told a place makes the next item already while it is opened, and not when it is asked for it.

They are known by their attributes, so that neither library is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["begins_anew", "forget_place", "loses_its_buffer", "not_looking_ahead"]

_PLACE = "_starting_state_dict"
_BUFFERS = ("BufferShuffled", "Rebatched")
_LOOKS_AHEAD = "restart_on_stop_iteration"


def begins_anew(thing: Any) -> bool:
    """Whether a pass never goes on where the one before it ended."""
    return hasattr(thing, _PLACE)


def forget_place(thing: Any) -> None:
    """The pass has begun at the place that it was told, and the next one is to begin at the beginning."""
    if hasattr(thing, _PLACE):
        setattr(thing, _PLACE, None)


def loses_its_buffer(thing: Any) -> bool:
    """Whether the state leaves out what was made, and not handed out yet."""
    return hasattr(thing, _PLACE) and _has_a_buffer(thing)


def _has_a_buffer(thing: Any) -> bool:
    inner = [getattr(thing, name, None) for name in ("_ex_iterable", "ex_iterable")]
    inner += getattr(thing, "ex_iterables", [])
    buffers = any(kind in type(thing).__name__ for kind in _BUFFERS) or getattr(thing, "batched", False) is True
    return buffers or any(_has_a_buffer(part) for part in inner if part)


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
