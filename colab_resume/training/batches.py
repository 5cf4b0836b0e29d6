"""One pass over a loader that can begin at any batch and does not depend on who makes the batches.

The promise: the batches of a pass, in order and content, are a function of the pass's seed alone. It does not matter
how many workers there are, how far they run ahead, what the training draws meanwhile, or whether the pass began at
batch 0 or at batch k. Index lists of skipped batches are drawn and thrown away; no data is loaded for them.

How: a map-style `DataLoader` is copied shallowly (subclass, workers and every option stay), its index sampler gets
random streams of its own, and each index list carries its batch's number, from which the dataset's randomness is
seeded wherever the batch is made. Anything else that can be iterated runs inside a stream of its own and is replayed
item by item.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

import torch
from torch.utils.data import DataLoader, IterableDataset

from .generators import Source, own_generators
from .randomness import Stream, seeded

__all__ = ["Loaders", "look_of", "origin_of"]

T = TypeVar("T")


class _Request(NamedTuple):
    """What travels to the worker instead of a bare index list."""

    seed: int
    number: int
    indices: Any


class _SeededDataset:
    """The user's dataset and collate function, run under the randomness that the request names."""

    def __init__(self, dataset: Any, collate: Callable[[Any], Any], batched: bool) -> None:
        self._dataset = dataset
        self._collate = collate
        self._batched = batched

    @cached_property
    def _own(self) -> list[Source]:
        """Found where the dataset lives: in each worker its generators are other objects."""
        return own_generators(self._dataset, self._collate)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_dataset" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, request: _Request) -> Any:
        with seeded(request.seed, request.number, self._own):
            return self._collate(self._fetch(request.indices))

    __getitems__ = __getitem__

    def _fetch(self, indices: Any) -> Any:
        if not self._batched:
            return self._dataset[indices]
        many = getattr(self._dataset, "__getitems__", None)
        return many(indices) if many else [self._dataset[index] for index in indices]


def _as_made(data: T) -> T:
    """The collate function of the copied loader: the batch was collated where it was seeded."""
    return data


class _Requests:
    """The index sampler of the copied loader: the user's own, on streams of its own, from batch `first` on."""

    def __init__(self, sampler: Any, own: list[Source]) -> None:
        self._sampler = sampler
        self._own = own
        self.seed = 0
        self.first = 0

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[_Request]:
        seed, first = self.seed, self.first
        stream = Stream(seed, self._own)
        with stream.drawing():
            lists = iter(self._sampler)
            skipped = sum(1 for _ in islice(lists, first))
        if skipped < first:
            return
        yield from (_Request(seed, first + n, indices) for n, indices in enumerate(_drawn(lists, stream)))


class Loaders:
    """The copies of the user's loaders, one each, so that persistent workers persist."""

    def __init__(self) -> None:
        self._copies: WeakKeyDictionary[Any, tuple[Any, _Requests]] = WeakKeyDictionary()

    def start(self, loader: Iterable[T], *, seed: int, first: int) -> Iterator[T]:
        """Begin the pass with this seed at batch `first` (counted from 0)."""
        if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
            return _replayed(loader, seed, first)
        if loader not in self._copies:
            self._copies[loader] = _seeded_copy(loader)
        twin, requests = self._copies[loader]
        requests.seed, requests.first = seed, first
        return cast("Iterator[T]", iter(twin))


def origin_of(loader: Any) -> int:
    """The number from which the seeds of a loader's passes are derived: its own generator's seed, or torch's.

    Generators of numpy and python do not remember what they began with, and where they are depends on when one asks.
    """
    seeds = (source.initial_seed() for source in _sampling_generators(loader))
    return next((seed for seed in seeds if seed is not None), torch.initial_seed())


def look_of(loader: Any) -> str:
    """What a pass runs over, in words: after a restart it must be the same kind of thing."""
    data = getattr(loader, "dataset", loader)
    try:
        size = f" of {len(data)}"
    except TypeError:
        size = ""
    return f"{type(data).__qualname__}{size}"


def _sampling_generators(loader: Any) -> list[Source]:
    """What decides the order: the generators of the loader and its samplers, or of whatever else is iterated."""
    if not isinstance(loader, DataLoader):
        return own_generators(loader)
    owners = (loader.generator, loader.batch_sampler, loader.sampler)
    return own_generators(*owners, leave_out=[loader.dataset])


def _seeded_copy(loader: DataLoader[Any]) -> tuple[DataLoader[Any], _Requests]:
    batched = loader.batch_sampler is not None
    requests = _Requests(loader.batch_sampler if batched else loader.sampler, _sampling_generators(loader))
    twin = copy.copy(loader)
    # DataLoader.__setattr__ refuses these names after construction; the copy's own dict is ours to write.
    twin.__dict__.update(
        {
            "dataset": _SeededDataset(loader.dataset, cast("Callable[[Any], Any]", loader.collate_fn), batched),
            "collate_fn": _as_made,
            "batch_sampler" if batched else "sampler": requests,
            # A loader without a generator draws its workers' base seed from the global one, now and then twice.
            "generator": torch.Generator(),
            "_iterator": None,
        }
    )
    return twin, requests


def _drawn(items: Iterator[T], stream: Stream) -> Iterator[T]:
    while True:
        with stream.drawing():
            try:
                item = next(items)
            except StopIteration:
                return
        yield item


def _replayed(iterable: Iterable[T], seed: int, first: int) -> Iterator[T]:
    stream = Stream(seed, _sampling_generators(iterable))
    with stream.drawing():
        items = iter(iterable)
        skipped = sum(1 for _ in islice(items, first))
    if skipped == first:
        yield from _drawn(items, stream)
