"""The batches for a check, drawn as a run draws them; and whether they are a function of the pass's seed alone."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple

from torch.utils.data import DataLoader

from ..errors import UsageError
from ..training.data.batches import Loaders, origin_of
from ..training.data.generators import own_generators
from .fingerprint import fingerprint
from .named import is_one_way
from .openings import is_generator
from .photo import look
from .reach import Owner, Root, reach
from .report import Row, joined

__all__ = ["Drawn", "draw"]


class Drawn(NamedTuple):
    """The batches of the first steps, and what is wrong with where they come from."""

    batches: list[Any]
    rows: list[Row]


def draw(loader: Iterable[Any], steps: int, name: str, put_back: Callable[[], None]) -> Drawn:
    """Draw them twice from the start, and once as a restart after the first batch does."""
    if is_one_way(loader):
        raise UsageError(
            f"{name} is an iterator, which gives each batch once", hint="hand over the loader that it was made from"
        )
    loader = _with_passing_workers(loader)
    roots = [Root(name, loader, Owner(name, loader, name))]
    before = look(roots)
    first = _pass(loader, steps + 1)
    changed = [owner.name for owner in before.changed(look(roots)).values() if not owner.tracked]
    put_back()
    if not first.batches:
        raise UsageError(f"{name} has no batches", hint="give a loader with at least as many as there are steps")
    second = _pass(loader, steps + 1)
    put_back()
    later = _pass(loader, steps, after=first.place)
    put_back()
    rows = []
    if first.seen != second.seen or first.seen[1:] != later.seen:
        rows.append(_verdict(name, changed or _unseeded(loader, roots)))
    return Drawn(first.batches[:steps], rows)


def _with_passing_workers(loader: Iterable[Any]) -> Iterable[Any]:
    """The same loader, but its workers end with each pass: the check leaves none behind."""
    if not isinstance(loader, DataLoader) or not loader.persistent_workers:
        return loader
    twin = copy.copy(loader)
    # DataLoader.__setattr__ refuses some names after construction; the copy's own dict is ours to write.
    vars(twin).update(persistent_workers=False, _iterator=None)
    return twin


class _Pass(NamedTuple):
    """What was drawn, what it looked like then, and what a restart after the first batch goes on from."""

    batches: list[Any]
    seen: list[str]
    place: Any


def _pass(loader: Iterable[Any], count: int, after: Any = None) -> _Pass:
    """Drawn in workers of its own, as in a process of its own."""
    first = int(after is not None)
    items = Loaders().start(loader, seed=origin_of(loader), first=first, saved=after)
    drawn = _Pass([], [], [])
    for batch in islice(items, count):
        if not drawn.batches:
            drawn.place.append(items.state())
        drawn.batches.append(batch)
        drawn.seen.append(fingerprint(batch))
    return drawn._replace(place=drawn.place[0] if drawn.place else None)


def _unseeded(loader: Any, roots: Iterable[Root]) -> list[str]:
    """The generators in reach that a pass does not seed. What they draw in workers is not seen from here."""
    parts = ("dataset", "collate_fn", "generator", "sampler", "batch_sampler")
    owners = [getattr(loader, part, None) for part in parts] if hasattr(loader, "dataset") else [loader]
    seeded = len(own_generators(*owners))
    generators = (found for found in reach(roots).found if is_generator(found.thing))
    return [one.path for one in generators if len(own_generators(*owners, leave_out=[one.thing])) == seeded]


def _verdict(name: str, causes: list[str]) -> Row:
    if causes:
        found = f"draws from a generator that is not tracked: {joined(causes)}"
        advice = "draw from a numpy or torch generator that is an attribute of the data set: then each batch seeds it"
    else:
        found = "draws from a generator that is not tracked: other batches come with the same seed"
        advice = "draw only from random, numpy.random, torch, or a generator that is an attribute of the data set"
    return Row("mistake", name, found, advice)
