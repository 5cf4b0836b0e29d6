"""What the code has put around a loop of the run: `enumerate`, `zip` and the like, and generator functions.

They begin anew in each process, while the loop inside of them goes on where it was; so they would count wrong, or pair
what does not belong together, and nobody would notice. An `enumerate` is given the count that it would have had. All
else that cannot be right after a restart is refused: at the first turn if it can be seen there, and after a restart
without fail.
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import itertools
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from types import FrameType, GeneratorType
from typing import Any

import numpy as np
import torch

from ..errors import UsageError
from .data.reach import reachable
from .drawn_by import passes_on
from .looked_through import LookedThrough

__all__ = ["asking", "counts_around", "draws_from_a_run", "frames_outward", "lead_on"]

_PAIRING = (zip, map, itertools.zip_longest)
_EACH = (*_PAIRING, enumerate, itertools.starmap)
_SOME = (filter, itertools.filterfalse, itertools.takewhile, itertools.chain)
_REMEMBERING = tuple(
    getattr(itertools, name)
    for name in ("islice", "cycle", "accumulate", "dropwhile", "pairwise", "batched", "groupby", "compress")
    if hasattr(itertools, name)  # `batched` came with Python 3.12
)
_IDS = frozenset(map(id, (*_EACH, *_SOME, *_REMEMBERING)))
_SAME_FOR_EVER = (itertools.repeat,)

_US = __name__.partition(".")[0]
_YOUNG = (0, 1)
"""The garbage collector's generations that hold what was made just now; the last one is a hundred times larger."""
_ALL = (None,)
_DEEP = 8
_NOT_LOOKED_INTO = (str, bytes, list, dict, set, torch.Tensor, np.ndarray)


def asking(frame: FrameType) -> FrameType:
    """The frame of the code whose loop it is that draws from the generator of this one."""
    asks = frame.f_back or frame
    while asks.f_back is not None and _is_iterator(asks) and not _is_ours(asks):
        asks = asks.f_back
    return asks


def frames_outward(frame: FrameType | None) -> frozenset[int]:
    """The identities of this frame and those that called it, which hold for as long as these run."""
    found = []
    while frame is not None:
        found.append(id(frame))
        frame = frame.f_back
    return frozenset(found)


def draws_from_a_run(iterator: Any) -> bool:
    """Whether it gets its items from a loop of a run, through whatever iterators there are between them."""
    level = [iterator]
    for _ in range(_DEEP):
        if any(map(_is_of_a_run, level)):
            return True
        level = [part for one in level for part in _held(one) if _is_iterable(part)]
    return False


def counts_around(frame: FrameType, name: str, *, outside: Collection[int], young: bool) -> list[enumerate[Any]]:
    """Every `enumerate` that draws from the generator of `frame` now; `UsageError` for what cannot be right there.

    `name`: what the code calls the loop. `outside`: frames that are around more than this loop. `young`: only what was
    made just now is looked for, within a millisecond; else all, which takes fifty times as long.
    """
    if _is_ours(asking(frame)):
        return []  # what we attach to a framework counts by itself
    around = _Around(frame, outside, young=young)
    for thing, exact in around.found:
        if isinstance(thing, _REMEMBERING):
            raise _refused(thing, name, f"begins anew after a restart, and {name} goes on where it was", _LEAVE_OUT)
        if isinstance(thing, _PAIRING) and not all(map(around.belongs, _held(thing))):
            raise _refused(thing, name, "draws from something else, too, which begins anew after a restart", _DRAW_BOTH)
        if isinstance(thing, enumerate) and not exact:
            raise _refused(thing, name, "counts what something else makes of it: nobody knows that count later", _COUNT)
    return [thing for thing, _ in around.found if isinstance(thing, enumerate)]


def lead_on(counts: Collection[enumerate[Any]], done: int) -> None:
    """Let each be where it would be after so many turns more; `UsageError` if this Python does not let it be."""
    for one in counts:
        if not _can_be_set() or (at := _count_of(one)).value != one.__reduce__()[1][1]:
            raise _refused(one, "the loop", "counts from its beginning after a restart", "use run.status().step")
        at.value += done


_LEAVE_OUT = (
    "leave it out: end a loop by `break`; draw from an endless stream inside `for step in run.steps(n)`; or let it "
    "work on the data before run.batches gets them"
)
_DRAW_BOTH = (
    "draw both from the run, zip(run.batches(one), run.batches(other)); what is a list can be taken by its number, "
    "rates[epoch]"
)
_COUNT = "count inside of that, enumerate(run.batches(loader)), or use run.status().step"


def _refused(thing: Any, name: str, what: str, hint: str) -> UsageError:
    return UsageError(f"{type(thing).__name__} around {name} {what}: the training would be another one", hint=hint)


class _Around:
    """`found`: the iterators of known kinds that draw from the generator of `frame`, the innermost first, each with
    whether it has one turn for each of that one.

    An iterator holds the one that it asks, and a generator that asks is running.
    """

    def __init__(self, frame: FrameType, outside: Collection[int], *, young: bool) -> None:
        self._frames = _drawing(frame, outside)
        self.found: list[tuple[Any, bool]] = []
        candidates = _tracked(_YOUNG if young else _ALL)
        while more := [(thing, exact) for thing in candidates if (exact := self._draws(thing)) is not None]:
            self.found += more
            candidates = [thing for thing in candidates if all(thing is not known for known, _ in self.found)]

    def belongs(self, part: Any) -> bool:
        """Whether it goes on where the run goes on, or is the same for ever."""
        if not hasattr(type(part), "__next__") or isinstance(part, _SAME_FOR_EVER):
            return True
        return self._inside(part) is not None or bool(reachable([part], lambda thing: _is_of_a_run(thing) or None))

    def _draws(self, thing: Any) -> bool | None:
        exacts = [exact for part in _held(thing) if (exact := self._inside(part)) is not None]
        return all(exacts) and isinstance(thing, _EACH) if exacts else None

    def _inside(self, part: Any) -> bool | None:
        """Whether it has one turn for each of the loop; None if it does not draw from it."""
        for known, exact in self.found:
            if part is known:
                return exact
        for frame, exact in self._frames:
            if isinstance(part, GeneratorType) and part.gi_frame is frame:
                return exact
            if frame.f_code.co_name == "__next__" and part is frame.f_locals.get(frame.f_code.co_varnames[0]):
                return exact
        return None


def _drawing(frame: FrameType, outside: Collection[int]) -> list[tuple[FrameType, bool]]:
    """The generator itself, and the iterators in python that ask it now, each with whether it has a turn for each."""
    drawing, exact, asks = [(frame, True)], True, frame.f_back
    while asks is not None and id(asks) not in outside and _is_iterator(asks):
        exact = exact and (asks.f_globals.get("__name__") == LookedThrough.__module__ or passes_on(asks))
        drawing.append((asks, exact))
        asks = asks.f_back
    return drawing


def _is_ours(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    return bool(module.partition(".")[0] == _US and module != LookedThrough.__module__)


def _is_iterator(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & inspect.CO_GENERATOR) or frame.f_code.co_name == "__next__"


def _held(thing: Any) -> Iterator[Any]:
    """Of a generator that waits these are the variables of its frame, and what its loops draw from."""
    for part in (*gc.get_referents(thing), *getattr(thing, "__dict__", {}).values()):
        yield from part if type(part) is tuple else (part,)


def _is_iterable(thing: Any) -> bool:
    return hasattr(type(thing), "__iter__") and not isinstance(thing, _NOT_LOOKED_INTO)


def _tracked(generations: Sequence[int | None]) -> list[Any]:
    """All objects of known kinds.

    Another thread may be about to make a tuple, and gets a SystemError if anybody else holds it then
    (`_PyTuple_Resize` in Objects/tupleobject.c). So all are collected, looked at and let go in one call of C, in which
    no other thread runs.
    """
    every: list[Any] = []
    collect = map(every.extend, map(gc.get_objects, generations))
    known = itertools.compress(every, map(_IDS.__contains__, map(id, map(type, every))))
    let_go = map(list.clear, (every,))
    was_on = gc.isenabled()
    try:
        gc.disable()  # what is collected may run code in python
        found: list[Any] = list(itertools.chain(collect, known, let_go))
    finally:
        if was_on:
            gc.enable()
    return found


def _is_of_a_run(thing: Any) -> bool:
    if isinstance(thing, GeneratorType):
        # One that runs while we do has called us.
        return thing.gi_running or (thing.gi_frame is not None and _is_ours(thing.gi_frame))
    return issubclass(type(thing), LookedThrough)


def _count_of(one: enumerate[Any]) -> ctypes.c_ssize_t:
    """Where CPython keeps the count: the first field behind the head that all objects have.

    `struct { PyObject_HEAD; Py_ssize_t en_index; ... } enumobject` in Objects/enumobject.c.
    """
    return ctypes.c_ssize_t.from_address(id(one) + object.__basicsize__)


@cache
def _can_be_set() -> bool:
    """Whether that is so in this Python, tried on one that nobody needs."""
    probe: enumerate[Any] = enumerate((), 123_456_789)
    at = _count_of(probe)
    if at.value != 123_456_789:
        return False
    at.value = 7
    return bool(probe.__reduce__()[1][1] == 7)
