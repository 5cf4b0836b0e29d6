"""A photo of everything that a training step can reach: it says what has changed since, and puts it all back.

Put back means in place: the same objects under the same names, with the bits they had, and the global generators, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from ..display.tables import size
from ..errors import UsageError
from ..training.data import randomness
from .fingerprint import fingerprint, is_plain
from .kept import keep, size_of
from .openings import CONTAINERS, is_generator
from .reach import Found, Owner, Root, Slot, reach

__all__ = ["Look", "Photo", "look"]

_SPARE = 0.9


class Spot(NamedTuple):
    """A place and what is seen of it: what is `bound` there, what is `in` it, or that something `is` there."""

    path: str
    aspect: Literal["bound", "in", "is"]


@dataclass(frozen=True, eq=False)
class Look:
    """What everything looks like at one moment: whose it is, and a fingerprint."""

    spots: Mapping[Spot, tuple[Owner, str]]

    def changed(self, later: Look) -> dict[str, Owner]:
        """Those whose things look different later, by name."""
        owners: dict[str, Owner] = {}
        for spot, (owner, seen) in later.spots.items():
            known = self.spots.get(spot)
            if known is not None and known[1] != seen:
                owners.setdefault(known[0].name, known[0])
            elif known is None and spot.aspect == "bound" and Spot(spot.path.rpartition(".")[0], "is") in self.spots:
                # A new name in an old object; whatever is in a new object is found through that.
                owners.setdefault(owner.name, owner)
        return owners


class Photo:
    """Taken when it is made."""

    def __init__(self, roots: Iterable[Root]) -> None:
        reached = reach(roots)
        self.one_way = reached.one_way
        self._found = reached.found
        _refuse_what_does_not_fit(sum(map(size_of, self._found)))
        self._kept = [kept for found in self._found for kept in keep(found)]
        self._rng = randomness.capture()

    def put_back(self, leave: Collection[str] = ()) -> None:
        """Put back everything, except what belongs to one of these names."""
        self.put_back_things(leave)
        randomness.restore(self._rng)

    def put_back_things(self, leave: Collection[str] = ()) -> None:
        """The same without the global generators."""
        for kept in self._kept:
            kept.put_back(leave)


def look(roots: Iterable[Root]) -> Look:
    """Look at all that has a name."""
    spots: dict[Spot, tuple[Owner, str]] = {}
    for found in reach(root for root in roots if root.owner is not None).found:
        for spot, owner, text in _seen(found):
            spots.setdefault(spot, (owner, text))
    return Look(spots)


def _seen(found: Found) -> Iterator[tuple[Spot, Owner, str]]:
    if found.owner is None:
        return
    for slot in [*found.items, *(slot for place in found.places for slot in place.slots)]:
        if slot.owner is not None:
            yield Spot(slot.path, "bound"), slot.owner, _mark(slot)
    for place in found.places:
        if place.path is not None:
            yield Spot(place.path, "is"), found.owner, ""
    text = _content(found)
    if text:
        yield Spot(found.path, "in"), found.owner, text


def _content(found: Found) -> str:
    """What is in a thing besides what it refers to."""
    thing = found.thing
    if isinstance(thing, (torch.Tensor, np.ndarray)) and found.data and not size_of(found):
        return ""
    if isinstance(thing, torch.Tensor):
        return fingerprint([thing, thing.requires_grad, thing.is_leaf and thing.grad is None])
    if isinstance(thing, np.ndarray) or is_generator(thing) or isinstance(thing, (set, frozenset, bytearray)):
        return fingerprint(thing)
    if found.items:
        return fingerprint(sorted(slot.name for slot in found.items))
    return str(len(thing)) if isinstance(thing, CONTAINERS) else ""


def _mark(slot: Slot) -> str:
    """A plain value by its bits; anything else by its type, since it is looked at by itself."""
    value = slot.value
    return fingerprint(value) if is_plain(value) else f"a {type(value).__qualname__}"


def _refuse_what_does_not_fit(nbytes: int) -> None:
    free = _free_memory()
    if nbytes > free * _SPARE:
        raise UsageError(
            f"the check keeps a copy of all that the step can reach, {size(nbytes)}, and {size(free)} are free",
            hint="check with a smaller model or less data: the mistakes that it finds do not depend on size",
        )


def _free_memory() -> int:
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024
