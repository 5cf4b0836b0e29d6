"""What goes on from pass to pass, or can say where it is, comes back after a restart: data, and their samplers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from exactness import round_trip
from passes import Noisy, noise, one_pass, restarted, uninterrupted
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, Sampler, get_worker_info
from torchdata.nodes import Batcher, Mapper, SamplerWrapper
from torchdata.nodes import Loader as Nodes
from torchdata.stateful_dataloader import StatefulDataLoader

from colab_resume.errors import StateMismatch, UsageError
from colab_resume.training.data.batches import Loaders

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")


class Numbers(IterableDataset[Any]):
    """Seven numbers for each worker, each with a draw from all generators and from one of its own."""

    def __init__(self) -> None:
        self.at = 0
        self.rng = np.random.default_rng(3)

    def item(self) -> Any:
        worker = get_worker_info()
        return worker.id if worker else 0, self.at, round(noise() + float(self.rng.random()), 6)

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}


class Endless(Numbers):
    """Goes on in the next pass where the last one was left; a pass is over after every seventh."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            self.at += 1
            yield self.item()
            if self.at % 7 == 0:
                return

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


class Anew(Numbers):
    """Begins each pass at the first, but for the one before which it was told otherwise."""

    begin = 0

    def __iter__(self) -> Iterator[Any]:
        begin, self.begin = self.begin, 0
        for self.at in range(begin + 1, 8):
            yield self.item()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.begin = state["at"]


class ForGood(Numbers):
    """As in the library `datasets`: a place that it was told is where every later pass begins."""

    _starting_state_dict: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        begin = self._starting_state_dict["at"] if self._starting_state_dict else 0
        for self.at in range(begin + 1, 8):
            yield self.item()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._starting_state_dict = state


class Shuffled(Numbers):
    """Sets its generator by itself, to draw the order again when the next item is asked for."""

    begin, before = 0, None

    def __iter__(self) -> Iterator[Any]:
        self.before = self.rng.bit_generator.state
        order = self.rng.permutation(7).tolist()
        begin, self.begin = self.begin, 0
        for self.at in range(begin, 7):
            yield order[self.at], noise()

    def state_dict(self) -> dict[str, Any]:
        assert self.before is not None
        return {"at": self.at + 1, "before": self.before}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.begin, self.rng.bit_generator.state = state["at"], state["before"]


class _Pointer:
    def __init__(self, data: Numbers) -> None:
        self.data = data
        self.at = torch.zeros(1, dtype=torch.int64)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.at == 7:
            raise StopIteration
        self.at += 1
        self.data.at = int(self.at)
        return self.data.item()

    def state_dict(self) -> dict[str, Any]:
        return {"at": self.at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]


class InIterator(IterableDataset[Any]):
    """Only its iterator has a state, which is live."""

    def __iter__(self) -> Iterator[Any]:
        return _Pointer(Anew())


class Counting(IterableDataset[Any]):
    """Has no state; counts its passes."""

    epoch = -1

    def __init__(self) -> None:
        self.epoch = 0

    def __iter__(self) -> Iterator[Any]:
        self.epoch += 1
        for number in range(7):
            yield self.epoch, number, noise()


def _nodes(**options: Any) -> Any:
    sampler = RandomSampler(range(14), **options)
    return Nodes(Batcher(Mapper(SamplerWrapper(sampler), lambda index: (index, noise())), 2, drop_last=False))


_DATA = (Endless, Anew, ForGood, Shuffled, InIterator, Counting)
_MAKERS: dict[str, Callable[[], Any]] = {
    **{f"{kind.__name__} in batches": lambda kind=kind: DataLoader(kind(), 2) for kind in _DATA},  # type: ignore[misc]
    **{f"{kind.__name__} in items": lambda kind=kind: DataLoader(kind(), None) for kind in _DATA},  # type: ignore[misc]
    **{f"{kind.__name__} without a loader": kind for kind in _DATA},
    **{
        f"{kind.__name__} in a stateful loader": lambda kind=kind: StatefulDataLoader(kind(), 2, drop_last=True)  # type: ignore[misc]
        for kind in _DATA
    },
    "nodes": _nodes,
    "nodes with a generator": lambda: _nodes(generator=torch.Generator().manual_seed(3)),
}
_WHOLE = (None, None, None)
_LEFT_EARLY = (2, None, 2, None)


@pytest.mark.slow
@pytest.mark.parametrize("saves", [False, True], ids=["", "saved often"])
@pytest.mark.parametrize("lengths", [_WHOLE, _LEFT_EARLY], ids=["whole", "left early"])
@pytest.mark.parametrize("kind", _MAKERS)
def test_data_with_a_state_go_on_anywhere(kind: str, lengths: Sequence[int | None], saves: bool) -> None:
    """Inside a pass or between two, in data that begin each pass anew and in such that go on in it."""
    whole = uninterrupted(_MAKERS[kind](), lengths)
    assert sum(map(len, whole)) >= 6
    for number, items in enumerate(whole):
        for item in range(max(len(items), 1)):
            assert restarted(_MAKERS[kind], lengths, at=(number, item), saves=saves) == whole


DICE = random.Random(4)


class NamesOne(Anew):
    """Draws from a global generator where the data are opened, too."""

    def __init__(self) -> None:
        super().__init__()
        DICE.seed(4)

    def __iter__(self) -> Iterator[Any]:
        for found in super().__iter__():
            yield found, DICE.random()


class MakesOne(Anew):
    """Draws from a generator that it makes in each pass, of which its state says nothing."""

    def __iter__(self) -> Iterator[Any]:
        made = random.Random(9)
        for found in super().__iter__():
            yield found, made.random()


class CallsItsOwnAnotherName(Anew):
    def __iter__(self) -> Iterator[Any]:
        rng = self.rng
        for found in super().__iter__():
            yield found, rng.random()


class _Late(_Pointer):
    """The same in an iterator with a state of its own."""

    made: random.Random | None = None

    def __next__(self) -> Any:
        self.made = self.made or random.Random(9)
        return super().__next__(), self.made.random()


class MakesOneLate(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return _Late(Anew())


class _LateOver:
    """An iterator without a state, over data that have one."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items
        self.made: random.Random | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        found = next(self.items)
        self.made = self.made or random.Random(9)
        return found, self.made.random()


class MakesOneLateOver(Anew):
    def __iter__(self) -> Iterator[Any]:
        return _LateOver(super().__iter__())


@pytest.mark.slow
@pytest.mark.parametrize("kind", [NamesOne, MakesOne, CallsItsOwnAnotherName, MakesOneLate, MakesOneLateOver])
@pytest.mark.parametrize("make", [lambda kind: kind(), lambda kind: DataLoader(kind(), 2)], ids=["bare", "in batches"])
def test_data_with_a_state_that_leaves_a_generator_out_go_on(make: Callable[[Any], Any], kind: Any) -> None:
    """What no state holds is made again; where a restart falls makes no difference."""
    whole = uninterrupted(make(kind), _WHOLE)
    for at in ((0, 1), (0, 3), (1, 0), (1, 2), (2, 1)):
        assert restarted(lambda: make(kind), _WHOLE, at=at) == whole
    begun = Loaders().start(make(kind), seed=1, first=0)
    next(begun), next(begun)
    assert (begun.state()["told"] is not None) is (kind in (NamesOne, CallsItsOwnAnotherName))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MakesOne, MakesOneLate, MakesOneLateOver])
def test_it_goes_on_in_a_worker(kind: Any) -> None:
    """Which is asked where it is before its data are opened."""

    def make() -> Any:
        return StatefulDataLoader(kind(), 2, num_workers=1)

    whole = uninterrupted(make(), _WHOLE)
    for at in ((0, 1), (1, 2)):
        assert restarted(make, _WHOLE, at=at) == whole


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True], ids=["", "persistent"])
@pytest.mark.parametrize("kind", _DATA[:-1])
def test_data_with_a_state_go_on_in_workers(kind: Any, persistent: bool) -> None:
    """Through torchdata's loader, which fetches the states from its workers: as often as it was told."""
    for every, lengths in ((1, (3, None, 3)), (3, (None, None, 3))):
        options = {"num_workers": 2, "persistent_workers": persistent, "snapshot_every_n_steps": every}

        def make(options: Any = options) -> Any:
            return StatefulDataLoader(kind(), 2, **options)

        whole = uninterrupted(make(), lengths)
        for at in ((0, 1), (1, 0), (1, 1), (1, 4), (1, len(whole[1]) - 1)):
            assert restarted(make, lengths, at=at) == whole


@pytest.mark.parametrize(
    "make", [Anew, lambda: DataLoader(Anew(), 2), lambda: StatefulDataLoader(Anew(), 2)], ids=["", "plain", "stateful"]
)
def test_what_was_handed_out_is_not_made_again(make: Callable[[], Any]) -> None:
    """With a state nothing is drawn to get there; that is what it is for."""
    loaders, old = Loaders(), make()
    begun = loaders.start(old, seed=1, first=0)
    next(begun), next(begun)
    assert begun.keeps_state
    saved = round_trip(begun.state())
    made: list[int] = []

    class Watched(Anew):
        def item(self) -> Any:
            made.append(self.at)
            return super().item()

    new = make()
    (new if isinstance(new, Anew) else new.dataset).__class__ = Watched
    next(Loaders().start(new, seed=1, first=2, saved=saved))
    assert min(made) > 2


@pytest.mark.slow
def test_a_state_from_workers_needs_those_workers() -> None:
    """Nobody else can read it, and that is said."""
    begun = Loaders().start(StatefulDataLoader(Anew(), 2, num_workers=1), seed=1, first=0)
    next(begun)
    with pytest.raises(StateMismatch, match="told by the workers"):
        Loaders().start(StatefulDataLoader(Anew(), 2), seed=1, first=1, saved=begun.state())


class BufferShuffledExamplesIterable: ...


class RebatchedArrowExamplesIterable: ...


class MappedExamplesIterable:
    def __init__(self, inner: Any = None, *, batched: bool = False) -> None:
        self.ex_iterable, self.batched = inner, batched


BUFFERS = {
    "a shuffle": MappedExamplesIterable(BufferShuffledExamplesIterable()),
    "a map of many at a time": MappedExamplesIterable(batched=True),
    "under another map": MappedExamplesIterable(MappedExamplesIterable(batched=True)),
    "batches of another size": MappedExamplesIterable(RebatchedArrowExamplesIterable()),
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_a_buffer_that_its_state_leaves_out_is_filled_again(kind: str) -> None:
    """Where it makes several at a time `datasets` goes on with other examples; so they are made again."""

    class Streaming(ForGood):
        def __init__(self) -> None:
            super().__init__()
            self._ex_iterable = BUFFERS[kind]

        def __iter__(self) -> Iterator[Any]:
            items = list(super().__iter__())
            random.shuffle(items)
            yield from items

    begun = Loaders().start(Streaming(), seed=1, first=0)
    assert not begun.keeps_state
    assert one_pass(Streaming(), seed=1)[3:] == one_pass(Streaming(), seed=1, first=3)


def test_a_map_of_one_at_a_time_has_no_buffer() -> None:
    class Streaming(ForGood):
        _ex_iterable = MappedExamplesIterable()

    assert Loaders().start(Streaming(), seed=1, first=0).keeps_state


class CountsEpochs(Sampler[int]):
    """Shuffles by the epoch that it counts itself, as some libraries do."""

    def __init__(self) -> None:
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(21, generator=torch.Generator().manual_seed(self.epoch)).tolist()
        self.epoch += 1

    def __len__(self) -> int:
        return 21


class CountsAtFirst(CountsEpochs):
    """Has no count before it was drawn from, and keeps the last indices for the next epoch."""

    def __init__(self) -> None:
        self.rest: list[int] = []

    def __iter__(self) -> Iterator[int]:
        self.epoch = getattr(self, "epoch", 7) + 1
        order = [*self.rest, *torch.randperm(21, generator=torch.Generator().manual_seed(self.epoch)).tolist()]
        self.rest = order[20:]
        yield from order[:20]


class OwnBatches(BatchSampler):
    """Has a sampler that counts, inside."""

    def __init__(self) -> None:
        self.inner = CountsEpochs()

    def __iter__(self) -> Iterator[list[int]]:
        order = list(self.inner)
        yield from (order[at : at + 4] for at in range(0, 21, 4))

    def __len__(self) -> int:
        return 6


class Rounds:
    """Returns itself, and goes on where it was left."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.at += 1
        if self.at % 7 == 0:
            raise StopIteration
        return self.at, noise()


_COUNTING: dict[str, Callable[[], Any]] = {
    "sampler": lambda: DataLoader(Noisy(), 4, sampler=CountsEpochs()),
    "sampler of a stateful loader": lambda: StatefulDataLoader(Noisy(), 4, sampler=CountsEpochs()),
    "keeps a rest": lambda: DataLoader(Noisy(), 4, sampler=CountsAtFirst()),
    "batch sampler": lambda: DataLoader(Noisy(), batch_sampler=OwnBatches()),
    "iterator": Rounds,
}


@pytest.mark.parametrize("kind", _COUNTING)
def test_what_a_sampler_counts_comes_back(kind: str) -> None:
    """The value at the beginning of a pass that is entered again, and what the last one left for the next."""
    lengths = (None, None, None)
    whole = uninterrupted(_COUNTING[kind](), lengths)
    indices = [[text.split(",")[0] for text in items] for items in whole]
    assert indices[0] != indices[1] != indices[2]
    for number, items in enumerate(whole):
        for item in range(len(items)):
            assert restarted(_COUNTING[kind], lengths, at=(number, item)) == whole


def test_a_second_restart_changes_nothing() -> None:
    """What the first one brought back is kept by the second, too."""
    whole = uninterrupted(_COUNTING["sampler"](), [None] * 4)
    kept: Any = {"loaders": [], "made anew": []}
    for seed in range(4):
        loaders = Loaders()
        loaders.bring_back(kept)
        loader = _COUNTING["sampler"]()
        assert one_pass(loader, seed=seed, loaders=loaders) == whole[seed]
        kept = round_trip(loaders.kept())


def test_what_the_user_sets_between_passes_stays() -> None:
    """`sampler.set_epoch(epoch)` is run again after a restart, and is right."""
    loaders, loader = Loaders(), DataLoader(Noisy(), 4, sampler=CountsEpochs())
    loader.sampler.epoch = 5  # type: ignore[attr-defined]
    one_pass(loader, seed=1, loaders=loaders)
    again, new = Loaders(), DataLoader(Noisy(), 4, sampler=CountsEpochs())
    again.bring_back(round_trip(loaders.kept()))
    new.sampler.epoch = 9  # type: ignore[attr-defined]
    one_pass(new, seed=2, loaders=again)
    assert new.sampler.epoch == 10  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["sampler", "keeps a rest"])
def test_the_same_process_can_go_back(kind: str) -> None:
    """A cell that is run again goes on from a boundary of the past, with the objects of the present."""
    lengths = (None, None, None)
    whole = uninterrupted(_COUNTING[kind](), lengths)
    loaders, loader = Loaders(), _COUNTING[kind]()
    first = loaders.kept()
    assert one_pass(loader, seed=0, loaders=loaders) == whole[0]
    between = loaders.kept()
    begun = loaders.start(loader, seed=1, first=0)
    next(begun), next(begun)
    inside, saved = loaders.kept(), begun.state()
    assert one_pass(loader, seed=2, loaders=loaders)
    loaders.bring_back(inside)
    again = loaders.start(loader, seed=1, first=2, saved=saved)
    assert [repr(item) for item in again] == whole[1][2:]
    loaders.bring_back(between)
    assert one_pass(loader, seed=1, loaders=loaders) == whole[1]
    loaders.bring_back(first)
    assert one_pass(loader, seed=0, loaders=loaders) == whole[0]


def test_a_loader_that_is_made_anew_begins_as_made() -> None:
    """After the second one of a look it is known that no pass goes on in the one before."""
    loaders = Loaders()
    for seed in range(2):
        loader = DataLoader(Endless(), 2)
        one_pass(loader, seed=seed, loaders=loaders)
    kept = round_trip(loaders.kept())
    again = Loaders()
    again.bring_back(kept)
    assert one_pass(DataLoader(Endless(), 2), seed=2, loaders=again) == one_pass(DataLoader(Endless(), 2), seed=2)
    assert round_trip(again.kept()) == kept


def test_two_that_look_alike_are_told_apart_by_their_order() -> None:
    """Each goes on where it was itself."""

    def passes(loaders: Loaders, pair: Sequence[Any], seed: int) -> list[list[str]]:
        return [one_pass(loader, seed=seed, loaders=loaders)[:20] for loader in pair]

    def pair() -> list[Any]:
        ahead = Endless()
        ahead.at = 70
        return [DataLoader(Endless(), 2), DataLoader(ahead, 2)]

    loaders, old = Loaders(), pair()
    passes(loaders, old, 0)
    kept = round_trip(loaders.kept())
    expected = passes(loaders, old, 1)
    again = Loaders()
    again.bring_back(kept)
    assert passes(again, pair(), 1) == expected


class Handwritten:
    """Returns itself, and begins anew each time."""

    def __iter__(self) -> Iterator[int]:
        self.items = iter(range(9))
        return self

    def __next__(self) -> int:
        return next(self.items)


class Wrapped:
    """Returns itself, and has something that is gone once drawn."""

    def __init__(self) -> None:
        self.items = iter(range(9))

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self.items)


_ONCE: dict[str, Callable[[], Any]] = {
    "generator": lambda: (number for number in range(9)),
    "list iterator": lambda: iter(range(9)),
    "zip": lambda: zip(range(9), range(9), strict=True),
    "wrapped": Wrapped,
    "loader's iterator": lambda: iter(DataLoader(Noisy(), 4)),
}


@pytest.mark.parametrize("kind", _ONCE)
def test_a_second_pass_over_what_is_gone_is_refused(kind: str) -> None:
    """After a restart it would begin at the first item, and nobody would notice."""
    loaders, items = Loaders(), _ONCE[kind]()
    begun = loaders.start(items, seed=1, first=0)
    next(begun), next(begun)
    del begun
    with pytest.raises(UsageError, match="drawn from and has something left"):
        loaders.start(items, seed=2, first=0)


@pytest.mark.parametrize("kind", _ONCE)
def test_no_false_alarm(kind: str) -> None:
    """Made anew for each pass, not drawn from, or drawn to its end: all that may be."""
    loaders = Loaders()
    for seed in range(20):
        next(loaders.start(_ONCE[kind](), seed=seed, first=0))
    untouched = _ONCE[kind]()
    loaders.start(untouched, seed=1, first=0)
    assert len(list(loaders.start(untouched, seed=1, first=0))) > 5
    assert list(loaders.start(untouched, seed=2, first=0)) == []


def test_what_begins_anew_by_itself_is_no_alarm() -> None:
    """A class with `__iter__` and `__next__`, as people write them, and whatever is drawn from nothing."""

    class FromNothing:
        def __iter__(self) -> Iterator[float]:
            return self

        def __next__(self) -> float:
            return noise()

    for items in (Handwritten(), FromNothing()):
        loaders = Loaders()
        for _ in range(2):
            first = next(loaders.start(items, seed=1, first=0))
        assert first == next(Loaders().start(type(items)(), seed=1, first=0))


def test_a_sampler_that_is_gone_once_drawn_is_refused() -> None:
    """The same in a loader: its second pass would have the indices that the first one has left."""
    loaders, loader = Loaders(), DataLoader(Noisy(), 2, sampler=(index for index in range(21)))
    next(loaders.start(loader, seed=1, first=0))
    with pytest.raises(UsageError, match="a second pass over a generator"):
        loaders.start(loader, seed=2, first=0)
