"""Where the batches of an `IterableDataset`, and the items of an iterable with a state of its own, come from.

A `DataLoader` over an `IterableDataset` is copied shallowly, as a map-style one is, and its dataset is replaced by one
that hands out whole batches (see `making`). Where the data can say where they are, that state is taken: from the
dataset itself if there are no workers, through the loader if it is torchdata's `StatefulDataLoader`.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Iterator
from inspect import isgeneratorfunction
from itertools import islice
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .copies import draws_from_another, shallow_copy, tell_worker
from .generators import Source
from .indexed import drawn_on
from .making import Making, Recipe, has_state
from .peculiar import begins_anew
from .randomness import Stream
from .reach import reachable
from .witness import Witness

__all__ = ["Iterated", "Own", "Replayed"]


class _Data(IterableDataset[Any]):
    """The user's dataset in the copied loader: it hands out whole batches, of which the workers know no more."""

    def __init__(self, recipe: Recipe, *, shared: bool) -> None:
        self.data = recipe.data
        self._recipe = recipe
        # Persistent workers read it at the beginning of each pass, and there is no other way to reach them.
        self.seed = torch.zeros((), dtype=torch.int64)
        if shared:
            self.seed.share_memory_()
        self.load: dict[str, Any] | None = None
        self.making: Callable[[], Making | None] = _nothing

    def __iter__(self) -> Iterator[Any]:
        worker, seed = get_worker_info(), int(self.seed)
        if worker is not None:
            seed += worker.id
            # From here people seed generators of their own; when the worker began must not matter.
            tell_worker(worker, seed=seed)
        making = Making(self._recipe, seed)
        if self.load is not None:
            making.load_state_dict(self.load)
        if worker is None:
            self.making = weakref.ref(making)
        return making


def _nothing() -> None:
    return None


class Iterated:
    """Where the batches of one loader over an `IterableDataset` come from."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        data = loader.dataset
        self.witness = Witness()
        self._in_workers = loader.num_workers > 0
        self.tells = "workers" if self._in_workers else "here"
        self.has_state = hasattr(loader, "state_dict") if self._in_workers else _may_have_state(data)
        self.goes_on = self.has_state and not begins_anew(data) and (not self._in_workers or loader.persistent_workers)
        self._copy = shallow_copy(
            loader,
            lambda collate: _Data(Recipe(data, loader.batch_size, loader.drop_last, collate), shared=self._in_workers),
            batch_sampler=None,
        )
        self._data: _Data = self._copy.dataset  # type: ignore[assignment]

    def begin(self, seed: int, first: int, state: Any, _own: list[Source]) -> Iterator[Any]:
        """The batches from `first` on; without a state, those before it are made and thrown away."""
        self._data.seed.fill_(seed)
        self._copy.generator.manual_seed(seed)
        if state is None:
            self._data.load = None
            return _from(first, self.witness.over(iter(self._copy)))
        if self._in_workers:
            self._copy.load_state_dict(copy.deepcopy(state))  # type: ignore[attr-defined]
        else:
            self._data.load = state
        items = iter(self._copy)
        self._data.load = None
        return items

    def state(self, handed: int) -> Any:
        """What to go on from after the batches handed out; None if they must be made again."""
        if self._in_workers:
            return self._told_by_workers(handed)
        making = self._data.making()
        if making is None or not handed:
            return None
        self.has_state = making.has_state
        self.goes_on = self.goes_on and self.has_state
        return _told_by_data(making)

    def _told_by_workers(self, handed: int) -> Any:
        state = self._copy.state_dict()  # type: ignore[attr-defined]
        begun = [making for making in _makings(state) if making["number"]]
        if begun and all(making["data"] is None and making["items"] is None for making in begun):
            self.has_state = self.goes_on = False
        # Where data go on from pass to pass, a worker not heard of in this one has not said where it begins.
        every = getattr(self._copy, "snapshot_every_n_steps", None)
        heard = handed - handed % every if every else 0
        return state if self.has_state and (heard >= self._copy.num_workers or not self.goes_on) else None


def _makings(state: Any) -> Iterator[dict[str, Any]]:
    """What each worker said, in the state of a StatefulDataLoader; it wraps them deeply, and in ways of its own."""
    if isinstance(state, dict):
        if state.keys() >= {"number", "ended", "data", "items"}:
            yield state
        else:
            for value in state.values():
                yield from _makings(value)


class Own:
    """Where the items of an iterable with a state of its own come from, which is no `DataLoader`."""

    tells = "items"
    has_state = True

    def __init__(self, iterable: Any) -> None:
        self.witness = Witness()
        self._recipe = Recipe(iterable)
        self._making: Making | None = None
        self.goes_on = not begins_anew(iterable)

    def begin(self, seed: int, first: int, state: Any, _own: list[Source]) -> Iterator[Any]:
        """The items from `first` on."""
        self._making = Making(self._recipe, seed)
        if state is None:
            return _from(first, self.witness.over(self._making))
        self._making.load_state_dict(state)
        return self._making

    def state(self, handed: int) -> Any:
        """What to go on from after the items handed out."""
        return _told_by_data(self._making) if self._making is not None and handed else None


class Replayed:
    """Where the items of anything else come from: it is drawn again, on a stream of its own.

    Loaders that it draws from start their workers in each pass, for workers that live on have random numbers that hang
    on all passes before.
    """

    tells = ""
    has_state = goes_on = False

    def __init__(self, iterable: Iterable[Any]) -> None:
        self.witness = Witness()
        self._iterable = iterable

    def begin(self, seed: int, first: int, _state: Any, own: list[Source]) -> Iterator[Any]:
        """The items from `first` on; `own` are the generators that it can reach."""
        for loader in reachable([self._iterable], _as_loader):
            vars(loader)["_iterator"] = None
        stream = Stream(seed, own)
        with stream.drawing():
            items = self.witness.over(iter(self._iterable))
            skipped = sum(1 for _ in islice(items, first))
        if skipped == first:
            yield from drawn_on(stream, items)

    def state(self, _handed: int) -> None:
        """There is none."""


def _as_loader(thing: Any) -> DataLoader[Any] | None:
    return thing if isinstance(thing, DataLoader) and not draws_from_another(thing) else None


def _may_have_state(data: Any) -> bool:
    """Whether the dataset has a state, or `iter` of it may give something that has; a generator has none."""
    return has_state(data) or not (begins_anew(data) or isgeneratorfunction(type(data).__iter__))


def _told_by_data(making: Making) -> Any:
    """The state, or None if it says only how often to draw again from the beginning of the pass."""
    state = making.state_dict()
    return None if state["data"] is None and state["items"] is None else state


def _from(first: int, items: Iterator[Any]) -> Iterator[Any]:
    if sum(1 for _ in islice(items, first)) == first:
        yield from items
