"""Passes over loaders: each is a function of its seed, may begin at any batch, and does not depend on who makes them.

The promise: the batches of a pass, in order and content, are a function of the pass's seed and of what the loader was
when the pass began. It does not matter how far workers run ahead, what the training draws meanwhile, or whether the
pass began at batch 0 or at batch k; nor, for map-style data, how many workers there are.

Where they come from: a map-style `DataLoader` (`indexed`), one over an `IterableDataset`, an iterable with a state of
its own (both `iterables`), and anything else that can be iterated, which is drawn again item by item. What goes on from
one pass to the next is kept beside: what samplers change in themselves (`habits`), and where data with a state stood.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, TypeVar

import torch
from torch.utils.data import DataLoader, IterableDataset, IterDataPipe

from ...errors import UsageError
from ..objects.whose import is_tf_dataset, is_tf_iterator
from .attached import Attached
from .copies import draws_from_another, options_of
from .generators import Source, own_generators
from .habits import Habits
from .indexed import Indexed
from .iterables import Iterated, Own, Replayed
from .making import has_state
from .once import Once
from .passes import Counted, Drawing, Pass, Subject, Supply, Track, begin, live_through
from .witness import Witness

__all__ = ["Loaders", "Pass", "look_of", "origin_of", "size_of"]

T = TypeVar("T")


@dataclass(eq=False)
class _Known:
    """What is known of one loader. There may be `nth` others that look the same and were passed over before it."""

    look: str
    nth: int
    habits: Habits = field(default_factory=Habits)
    supply: Supply | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    track: Track | None = None
    stood: Any = None
    running: weakref.ref[Drawing[Any]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a pass over it is under way."""
        running = self.running and self.running()
        return running is not None and self.track is not None and not self.track.ended

    @property
    def place(self) -> Any:
        """Where its data stand."""
        if self.track is not None and isinstance(self.supply, Counted):
            return {"opened": self.supply.opened}
        return self.stood if self.track is None else self.track.place()

    def bring_back(self, kept: Mapping[str, Any] | None) -> None:
        """The next pass begins with this."""
        self.habits.bring_back(kept and kept["habits"])
        self.stood, self.track = kept and kept["place"], None


class Loaders:
    """The loaders of a run, each with the copy that is drawn from, and what goes on in it from pass to pass."""

    def __init__(self) -> None:
        self._known: Attached[_Known] = Attached()
        self._ever: Counter[str] = Counter()
        self._made_anew: set[str] = set()
        self._waiting: dict[tuple[str, int], Any] = {}
        self._once = Once()

    def start(
        self, loader: Iterable[T], *, seed: int, first: int, saved: Any = None, witness: Witness | None = None
    ) -> Pass[T]:
        """Begin the pass with this seed at batch `first` (counted from 0), where `saved` was its `state()`."""
        saved = saved or {"told": None, "before": None, "habits": {}}
        known, own = self._know(loader), _sampling_generators(loader)
        supply, owners = _supply(loader, known), _owners(loader)
        passed_once = owners or [loader]
        for thing in passed_once:
            self._once.begin(thing)
        known.habits.begin(owners, saved["habits"])
        told, before = saved["told"], None
        if isinstance(supply, Counted) and known.track is None:
            supply.opened = known.stood["opened"] if known.stood else 0
        if told is None and supply.goes_on:
            before = saved["before"] or known.place
            if saved["before"] or (known.track is None and before):
                live_through(supply, before, own)
        supply.witness = witness or Witness()
        items = begin(supply, seed, first, told, own)
        track = Track(seed, first, before, goes_on=supply.goes_on)
        if told is not None:
            track.mark(told)
        drawing: Drawing[T] = Drawing(items, supply, track, Subject(owners, known.habits, passed_once, self._once))
        known.track, known.stood, known.running = track, None, weakref.ref(drawing)
        return drawing

    def meet(self, loader: Any) -> bool:
        """A pass over it is asked for, even if it is over: loaders that look alike are told apart by their order.

        Whether this is the first one over it in this process.
        """
        is_new = self._known.get(loader) is None
        self._know(loader)
        return is_new

    def kept(self) -> Any:
        """What passes to come need after a restart, of all loaders but those with an open pass."""
        return {
            "loaders": [
                {
                    "look": known.look,
                    "nth": known.nth,
                    "habits": known.habits.kept(_owners(loader)),
                    "place": known.place,
                }
                for loader, known in self._known
                if not known.is_open and known.look not in self._made_anew
            ],
            "made anew": sorted(self._made_anew),
        }

    def bring_back(self, kept: Any) -> None:
        """Let passes to come begin as they would have where `kept` was asked."""
        self._waiting = {(entry["look"], entry["nth"]): entry for entry in kept["loaders"]}
        self._made_anew = set(kept["made anew"])
        for _, known in self._known:
            known.bring_back(self._waiting.pop((known.look, known.nth), None))

    def _know(self, loader: Any) -> _Known:
        known = self._known.get(loader)
        if known is not None:
            return known
        look = look_of(loader)
        alike = sum(other.look == look for _, other in self._known)
        known = _Known(look, alike)
        self._known.set(loader, known)
        if self._ever[look] > alike:  # one of them is gone: they are made anew for each pass, and begin as made
            self._made_anew.add(look)
            _refuse_made_anew(loader)
        elif (look, alike) in self._waiting:
            known.bring_back(self._waiting.pop((look, alike)))
        self._ever[look] += self._known.get(loader) is not None
        return known


def origin_of(loader: Any) -> int:
    """The number from which the seeds of a loader's passes are derived: its own generator's seed, or torch's.

    Generators of numpy and python do not remember what they began with, and where they are depends on when one asks.
    """
    if _shuffles_by_a_made_up_seed(loader):
        return torch.initial_seed()
    seeds = (source.initial_seed() for source in _sampling_generators(loader))
    return next((seed for seed in seeds if seed is not None), torch.initial_seed())


def look_of(loader: Any) -> str:
    """What a pass runs over, in words: after a restart it must be the same kind of thing.

    Workers share an `IterableDataset` out among them, so each number of them gives other batches; one worker does what
    the training itself would do without any.
    """
    data = getattr(loader, "dataset", loader)
    try:
        size = f" of {len(data)}"
    except TypeError:
        size = ""
    workers = loader.num_workers if isinstance(loader, DataLoader) and isinstance(data, IterableDataset) else 0
    return f"{type(data).__qualname__}{size}" + (f", shared by {workers} workers" if workers > 1 else "")


def size_of(loader: Any) -> int | None:
    """How many batches a pass has, as far as the loader says so and the answer leaves no trace in it."""
    if isinstance(getattr(loader, "dataset", None), IterableDataset):
        return None  # such a DataLoader remembers that it was asked, and warns where its dataset was wrong
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None


def _supply(loader: Any, known: _Known) -> Supply:
    if is_tf_dataset(loader):
        if known.supply is None:
            from ..tensorflow.passes import DatasetPasses

            known.supply = DatasetPasses(loader)
        return known.supply
    if is_tf_iterator(loader):
        raise UsageError(
            "run.batches was given an iterator of tf.data", hint="give it the dataset, or track the iterator"
        )
    if not _is_copied(loader) or isinstance(loader.dataset, IterDataPipe):
        return Own(loader) if has_state(loader) and not isinstance(loader, DataLoader) else Replayed(loader)
    options = options_of(loader)
    same = options.keys() == known.options.keys() and all(options[name] is known.options[name] for name in options)
    if known.supply is None or not same:
        known.supply = Iterated(loader) if isinstance(loader.dataset, IterableDataset) else Indexed(loader)
        known.options = options
    return known.supply


def _is_copied(loader: Any) -> TypeGuard[DataLoader[Any]]:
    """Whether batches come from a copy of this loader."""
    return isinstance(loader, DataLoader) and not draws_from_another(loader)


def _refuse_made_anew(loader: Any) -> None:
    if is_tf_dataset(loader):
        from ..tensorflow.datasets import memory_of

        if memory_of(loader) is not None:
            raise UsageError(
                "a shuffled tf.data.Dataset is made anew for each pass: after a restart nobody could count them",
                hint="make it once, before the loop over epochs",
            )


def _owners(loader: Any) -> Sequence[Any]:
    """What may change itself while it is drawn from, in this process, and cannot say what it needs to go on."""
    if is_tf_dataset(loader):
        return []
    if not _is_copied(loader):
        return [] if has_state(loader) else [loader]
    if not isinstance(loader.dataset, IterableDataset):
        return [loader.batch_sampler, loader.sampler]
    return [] if loader.num_workers or has_state(loader.dataset) else [loader.dataset]


def _sampling_generators(loader: Any) -> list[Source]:
    """What decides the order: the generators of the loader and its samplers, or of whatever else is iterated."""
    if is_tf_dataset(loader):
        return []
    if not _is_copied(loader):
        return own_generators(loader)
    owners = (loader.generator, loader.batch_sampler, loader.sampler)
    return own_generators(*owners, leave_out=[loader.dataset])


def _shuffles_by_a_made_up_seed(loader: Any) -> bool:
    """torchdata's sampler makes itself a generator; its seed is drawn, and another one in each process."""
    sampler = getattr(loader, "sampler", None)
    return type(sampler).__module__.startswith("torchdata.") and getattr(loader, "generator", None) is None
