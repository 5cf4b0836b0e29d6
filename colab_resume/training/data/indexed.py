"""A map-style `DataLoader`, copied so that a pass is a function of its seed and may begin at any batch.

The copy is shallow: subclass, workers and every option stay. Its index sampler draws from random streams of its own,
and each index list carries its batch's number, from which the dataset's randomness is seeded wherever the batch is
made. Index lists of skipped batches are drawn and thrown away; no data is loaded for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any, NamedTuple, TypeVar

from torch.utils.data import DataLoader, get_worker_info

from .copies import shallow_copy, tell_worker
from .generators import Source, own_generators
from .randomness import Stream, seeded
from .witness import Witness

__all__ = ["Indexed", "drawn_on"]

T = TypeVar("T")

_AT_ONCE = 64
"""Lending the stream takes longer than drawing an index list."""
_OF_LIBRARIES = (
    "torch.utils.data.",
    "torchdata.stateful_dataloader.",
    "accelerate.data_loader.SeedableRandomSampler",
)


class _Request(NamedTuple):
    """What travels to the worker instead of a bare index list."""

    seed: int
    number: int
    indices: Any


class _SeededDataset:
    """The user's dataset and collate function, run under the randomness that the request names."""

    def __init__(self, dataset: Any, collate: Callable[[Any], Any], batched: bool) -> None:
        self.data = dataset
        self._collate = collate
        self._batched = batched
        self._own: list[Source] | None = None

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, request: _Request) -> Any:
        worker = get_worker_info()
        if worker is not None:
            # From here people seed generators of their own; which worker it is, and when it began, must not matter.
            tell_worker(worker, seed=request.seed)
        if self._own is not None:
            return self._made(request, self._own)
        # They are found where the dataset lives: in each worker they are other objects. Some are made at first use.
        before = own_generators(self.data, self._collate)
        made = self._made(request, before)
        self._own = own_generators(self.data, self._collate)
        return made if len(self._own) == len(before) else self._made(request, self._own)

    __getitems__ = __getitem__

    def _made(self, request: _Request, own: list[Source]) -> Any:
        with seeded(request.seed, request.number, own):
            return self._collate(self._fetch(request.indices))

    def _fetch(self, indices: Any) -> Any:
        if not self._batched:
            return self.data[indices]
        many = getattr(self.data, "__getitems__", None)
        return many(indices) if many else [self.data[index] for index in indices]


class _Requests:
    """The index sampler of the copied loader: the user's own, on streams of its own, from batch `first` on."""

    def __init__(self, sampler: Any) -> None:
        self._sampler = sampler
        self.own: list[Source] = []
        self.seed = 0
        self.first = 0
        self.witness = Witness()

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[_Request]:
        seed, first = self.seed, self.first
        stream = Stream(seed, self.own)
        with stream.drawing():
            lists = self.witness.over(iter(self._sampler))
            skipped = sum(1 for _ in islice(lists, first))
        if skipped < first:
            return
        # The last list is not drawn ahead: at its end a sampler may count the pass as done.
        ahead = max(0, len(self._sampler) - first - 1) if _may_be_drawn_ahead(self._sampler) else 0
        drawn = chain(drawn_on(stream, islice(lists, ahead), _AT_ONCE), drawn_on(stream, lists))
        yield from (_Request(seed, first + n, indices) for n, indices in enumerate(drawn))


class Indexed:
    """Where the batches of one map-style loader come from."""

    tells = ""
    has_state = goes_on = False

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.witness = Witness()
        batched = loader.batch_sampler is not None
        self._requests = _Requests(loader.batch_sampler if batched else loader.sampler)
        self._copy = shallow_copy(
            loader,
            lambda collate: _SeededDataset(loader.dataset, collate, batched),
            **{"batch_sampler" if batched else "sampler": self._requests},
        )
        # Torch's own iterator would do nothing more then.
        self._is_plain = type(loader) is DataLoader and not loader.num_workers and not loader.pin_memory
        # A StatefulDataLoader would fetch states from its workers with every batch.
        if "snapshot_every_n_steps" in vars(self._copy):
            vars(self._copy)["snapshot_every_n_steps"] = None

    def begin(self, seed: int, first: int, _state: Any, own: list[Source]) -> Iterator[Any]:
        """The batches from `first` on; `own` are the generators of the samplers."""
        self._requests.seed, self._requests.first, self._requests.own = seed, first, own
        self._requests.witness = self.witness
        self._copy.generator.manual_seed(seed)
        return map(self._copy.dataset.__getitem__, self._requests) if self._is_plain else iter(self._copy)

    def state(self, _handed: int) -> None:
        """The index lists are drawn again."""


def drawn_on(stream: Stream, items: Iterator[T], at_once: int = 1) -> Iterator[T]:
    """The items, so many at a time drawn while the stream is lent."""
    while True:
        with stream.drawing():
            drawn = list(islice(items, at_once))
        if not drawn:
            return
        yield from drawn


def _may_be_drawn_ahead(sampler: Any) -> bool:
    """Whether it is a library's; one of the user's may look at what the training has done meanwhile."""
    kind, inner = type(sampler), getattr(sampler, "sampler", None)
    of_library = f"{kind.__module__}.{kind.__qualname__}".startswith(_OF_LIBRARIES)
    return of_library and (inner is None or _may_be_drawn_ahead(inner))
