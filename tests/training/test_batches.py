"""One pass is a function of its seed: from any batch on, with any number of workers, whatever else is drawn."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from passes import Noisy, noise, one_pass
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    WeightedRandomSampler,
    get_worker_info,
)
from torchdata.stateful_dataloader import StatefulDataLoader

from colab_resume.errors import UsageError
from colab_resume.training.data.batches import Loaders, look_of, origin_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated"),
    pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator"),
]

rng = np.random.default_rng(0)


class Grouped(BatchSampler):
    """Draws lazily, from every global generator, and keeps half-full groups back."""

    def __init__(self) -> None: ...

    def __iter__(self) -> Iterator[list[int]]:
        groups: list[list[int]] = [[], []]
        for index in torch.randperm(21).tolist():
            group = groups[(index + random.randrange(2) + int(np.random.randint(2))) % 2]
            group.append(index)
            if len(group) == 3:
                yield list(group)
                group.clear()

    def __len__(self) -> int:
        return 7


class OwnRandomness(Noisy):
    """A dataset whose transform draws from generators of its own, as people write them."""

    def __init__(self) -> None:
        self.transform = [np.random.default_rng(1), random.Random(2), np.random.RandomState(3), torch.Generator()]

    def __getitem__(self, index: int) -> tuple[int, float]:
        arrays, plain, legacy, tensors = self.transform
        drawn = arrays.random() + plain.random() + legacy.rand() + torch.rand(1, generator=tensors).item()
        return index, float(drawn)


class Notebook(Noisy):
    """Draws from a global variable, as in a notebook."""

    def __getitem__(self, index: int) -> tuple[int, float]:
        return index, float(rng.random())


class MadeAtFirstUse(Noisy):
    """Makes its generator when it is first asked, with the seed that torch gives the worker, or none."""

    rng: np.random.Generator | None = None

    def __getitem__(self, index: int) -> tuple[int, float]:
        if self.rng is None:
            worker = get_worker_info()
            self.rng = np.random.default_rng(worker and worker.seed)
        return index, float(self.rng.random())


class OwnOrder(BatchSampler):
    """Keeps its generator from epoch to epoch, so that nobody can begin an epoch in the middle by itself."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)
        self.other = random.Random(5)

    def __iter__(self) -> Iterator[list[int]]:
        order = self.rng.permutation(21).tolist()
        while order:
            yield [order.pop(self.other.randrange(len(order))) for _ in range(3)]

    def __len__(self) -> int:
        return 7


class Lazy:
    """A sampler that is no `Sampler`: an iterable that draws as it goes."""

    def __iter__(self) -> Iterator[int]:
        return (random.randrange(21) for _ in range(21))

    def __len__(self) -> int:
        return 21


class Streamed(IterableDataset[Any]):
    """Shares itself out among the workers, and draws for its order and for each item."""

    def __init__(self) -> None:
        self.rng = random.Random(1)

    def __iter__(self) -> Iterator[tuple[int, int, float]]:
        worker = get_worker_info()
        number, count = (worker.id, worker.num_workers) if worker else (0, 1)
        for index in torch.randperm(25).tolist():
            if index % count == number:
                yield number, index, noise() + self.rng.random()


def _shaken(items: list[Any]) -> list[Any]:
    random.shuffle(items)
    return items


def _shifted(number: int) -> float:
    return number + float(rng.random())


def _seed_numpy(worker: int) -> None:
    np.random.seed(worker)


def _give_it_a_generator(worker: int) -> None:
    info = get_worker_info()
    assert info is not None
    assert type(info.dataset) is Late
    info.dataset.rng = np.random.default_rng(info.seed)


class Late(MadeAtFirstUse):
    """What a worker is to have is put on it in `worker_init_fn`."""


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


_LOADERS: dict[str, Callable[..., Any]] = {
    "shuffled": lambda **options: DataLoader(Noisy(), 4, shuffle=True, **options),
    "far ahead": lambda **options: DataLoader(
        Noisy(), 4, shuffle=True, prefetch_factor=5 if options["num_workers"] else None, **options
    ),
    "in order": lambda **options: DataLoader(Noisy(), 4, drop_last=True, **options),
    "any order": lambda **options: DataLoader(Noisy(), 4, shuffle=True, in_order=False, **options),
    "pinned": lambda **options: DataLoader(Noisy(), 4, shuffle=True, pin_memory=True, **options),
    "weighted": lambda **options: DataLoader(
        Noisy(), 4, sampler=WeightedRandomSampler([1.0] * 20 + [9.0], 21), **options
    ),
    "replaced": lambda **options: DataLoader(
        Noisy(), 4, sampler=RandomSampler(range(21), replacement=True, num_samples=70), **options
    ),
    "subset sampled": lambda **options: DataLoader(Noisy(), 4, sampler=SubsetRandomSampler(range(3, 19)), **options),
    "subset": lambda **options: DataLoader(Subset(Noisy(), range(3, 19)), 4, shuffle=True, **options),
    "concatenated": lambda **options: DataLoader(ConcatDataset([Noisy(), OwnRandomness()]), 5, shuffle=True, **options),
    "list of indices": lambda **options: DataLoader(
        Noisy(), 4, sampler=[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7], **options
    ),
    "lists of indices": lambda **options: DataLoader(
        Noisy(), batch_sampler=[[3, 1], [4], [1, 5, 9], [2, 6], [5]], **options
    ),
    "lazy": lambda **options: DataLoader(Noisy(), 4, sampler=Lazy(), **options),
    "grouped": lambda **options: DataLoader(Noisy(), batch_sampler=Grouped(), **options),
    "own generator": lambda **options: DataLoader(Noisy(), 4, shuffle=True, generator=_seeded(5), **options),
    "single": lambda **options: DataLoader(Noisy(), None, shuffle=True, **options),
    "own randomness": lambda **options: DataLoader(OwnRandomness(), 4, shuffle=True, **options),
    "notebook": lambda **options: DataLoader(Notebook(), 4, shuffle=True, **options),
    "made at first use": lambda **options: DataLoader(MadeAtFirstUse(), 4, shuffle=True, **options),
    "own order": lambda **options: DataLoader(Noisy(), batch_sampler=OwnOrder(), **options),
    "own collate": lambda **options: DataLoader(Noisy(), 4, shuffle=True, collate_fn=_shaken, **options),
    "seeded workers": lambda **options: DataLoader(Noisy(), 4, shuffle=True, worker_init_fn=_seed_numpy, **options),
    "stateful": lambda **options: StatefulDataLoader(Noisy(), 4, shuffle=True, generator=torch.Generator(), **options),
    "stateful, rarely": lambda **options: StatefulDataLoader(OwnRandomness(), 4, snapshot_every_n_steps=3, **options),
}

_STREAMS: dict[str, Callable[..., Any]] = {
    "batches": lambda **options: DataLoader(Streamed(), 4, **options),
    "whole batches": lambda **options: DataLoader(Streamed(), 4, drop_last=True, **options),
    "items": lambda **options: DataLoader(Streamed(), None, **options),
    "own collate": lambda **options: DataLoader(Streamed(), 4, collate_fn=_shaken, **options),
    "stateful": lambda **options: StatefulDataLoader(Streamed(), 4, **options),
}


def _loader(kind: str, workers: int = 0, *, persistent: bool = False) -> Any:
    return _LOADERS[kind](num_workers=workers, persistent_workers=persistent)


def _stream(kind: str, workers: int = 0, *, persistent: bool = False) -> Any:
    return _STREAMS[kind](num_workers=workers, persistent_workers=persistent)


def _pass_while_training(loader: Any, *, seed: int, first: int = 0) -> list[str]:
    items = []
    for item in Loaders().start(loader, seed=seed, first=first):
        items.append(repr(item))
        noise(), rng.random()
    return items


@pytest.mark.parametrize("kind", _LOADERS)
def test_a_pass_may_begin_at_any_batch(kind: str) -> None:
    """The rest is what would have come, though the training draws between batches."""
    whole = one_pass(_loader(kind), seed=3)
    assert len(whole) > 3
    for first in range(len(whole) + 2):
        assert _pass_while_training(_loader(kind), seed=3, first=first) == whole[first:]


@pytest.mark.parametrize("kind", sorted(_LOADERS.keys() - {"list of indices", "lists of indices", "stateful, rarely"}))
def test_two_passes_differ(kind: str) -> None:
    """Another seed, another pass: nothing above is constant."""
    assert one_pass(_loader(kind), seed=3) != one_pass(_loader(kind), seed=4)


def test_no_two_batches_are_shaken_alike() -> None:
    """Each batch of a pass draws numbers of its own, and each item in it."""
    drawn = [value for batch in Loaders().start(_loader("in order"), seed=3, first=0) for value in batch[1].tolist()]
    assert len(set(drawn)) == len(drawn) == 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", _LOADERS)
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(kind: str, workers: int) -> None:
    """Neither how many there are nor how far they run ahead, nor whether they persist."""
    whole = one_pass(_loader(kind), seed=3)
    assert _pass_while_training(_loader(kind, workers), seed=3, first=2) == whole[2:]
    if workers == 2:
        loaders, loader = Loaders(), _loader(kind, workers, persistent=True)
        one_pass(loader, seed=1, loaders=loaders)
        assert one_pass(loader, seed=3, first=1, loaders=loaders) == one_pass(_loader(kind), seed=3)[1:]


@pytest.mark.parametrize("kind", _STREAMS)
def test_a_stream_is_drawn_again(kind: str) -> None:
    """What has no indices and no state comes again as it came before."""
    whole = one_pass(_stream(kind), seed=3)
    assert len(whole) > 3
    assert whole != one_pass(_stream(kind), seed=4)
    for first in range(len(whole) + 2):
        assert _pass_while_training(_stream(kind), seed=3, first=first) == whole[first:]


@pytest.mark.slow
@pytest.mark.parametrize("kind", _STREAMS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stream_that_workers_share_is_drawn_again(kind: str, workers: int) -> None:
    """Also if they persist, and have made another pass before; one worker makes what the training itself would."""
    whole = one_pass(_stream(kind, workers), seed=3)
    assert _pass_while_training(_stream(kind, workers), seed=3, first=2) == whole[2:]
    loaders, loader = Loaders(), _stream(kind, workers, persistent=True)
    one_pass(loader, seed=1, loaders=loaders)
    assert one_pass(loader, seed=3, first=1, loaders=loaders) == whole[1:]
    assert (whole == one_pass(_stream(kind), seed=3)) == (workers == 1)


@pytest.mark.slow
def test_no_two_workers_draw_the_same() -> None:
    """Each has numbers of its own."""
    items = list(Loaders().start(_stream("items", 2), seed=3, first=0))
    assert len({drawn for _, _, drawn in items}) == len(items) == 25


@pytest.mark.slow
@pytest.mark.parametrize("dataset", [Noisy(), Streamed()])
def test_workers_may_be_spawned(dataset: Any) -> None:
    """Everything that goes to a worker can go to a fresh process."""
    loader = DataLoader(dataset, 8, num_workers=1, multiprocessing_context="spawn", worker_init_fn=_seed_numpy)
    assert one_pass(loader, seed=3) == one_pass(DataLoader(dataset, 8), seed=3)


@pytest.mark.slow
def test_a_worker_finds_the_dataset_it_knows() -> None:
    """`worker_init_fn` sets the dataset up, which is the user's own, and not what stands for it."""
    loaders = [DataLoader(Late(), 4, num_workers=n, worker_init_fn=_give_it_a_generator) for n in (1, 2)]
    one, two = (one_pass(loader, seed=3) for loader in loaders)
    assert one == two


class SeededByWorker(Noisy):
    """Makes a generator for each item from what torch says of the worker, and draws when the worker begins."""

    chance = 0.0

    def __getitem__(self, index: int) -> tuple[int, float]:
        worker = get_worker_info()
        assert worker is not None
        return index, self.chance + float(np.random.default_rng(worker.seed + index).random())


def _draw_for_it(worker: int) -> None:
    info = get_worker_info()
    assert info is not None
    info.dataset.chance = random.random()


@pytest.mark.slow
def test_the_seed_of_a_worker_belongs_to_the_pass() -> None:
    """People use it: neither when the worker began nor which pass it made before may matter."""
    whole = one_pass(DataLoader(SeededByWorker(), 4, num_workers=1), seed=3)
    for workers in (1, 2):
        loaders, loader = Loaders(), DataLoader(SeededByWorker(), 4, num_workers=workers, persistent_workers=True)
        one_pass(loader, seed=1, loaders=loaders)
        assert one_pass(loader, seed=3, loaders=loaders) == whole
    options: dict[str, Any] = {"num_workers": 1, "worker_init_fn": _draw_for_it}
    loaders, loader = Loaders(), DataLoader(SeededByWorker(), 4, **options)
    one_pass(loader, seed=1, loaders=loaders)
    again = one_pass(loader, seed=3, loaders=loaders)
    assert whole != again == one_pass(DataLoader(SeededByWorker(), 4, **options), seed=3)


@pytest.mark.slow
def test_batches_come_in_order() -> None:
    """Also if the loader was told to hand them out as they are ready: each time that would be another training."""
    ready = torch.multiprocessing.Event()

    class Waiting(Noisy):
        def __getitem__(self, index: int) -> Any:
            if index == 0:
                ready.wait(60)
            elif index == 3:
                ready.set()
            return index

    loader = DataLoader(Waiting(), 1, num_workers=2, in_order=False)
    assert [batch.item() for batch in Loaders().start(loader, seed=3, first=0)] == list(range(21))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DataLoader, StatefulDataLoader])
def test_the_users_own_workers_are_left_alone(kind: Any) -> None:
    """A look at the data before, with workers that persist, is no part of the run."""
    loader = kind(Noisy(), 4, shuffle=True, num_workers=1, persistent_workers=True)
    looking = iter(loader)
    next(looking)
    assert one_pass(loader, seed=3) == one_pass(kind(Noisy(), 4, shuffle=True), seed=3)
    assert len(list(looking)) == 5


@pytest.mark.slow
def test_states_are_not_fetched_from_workers_that_have_none() -> None:
    """A map-style StatefulDataLoader costs what a plain one does."""
    begun = Loaders().start(StatefulDataLoader(Noisy(), 4, num_workers=1), seed=3, first=0)
    next(begun), next(begun)
    assert begun._items.state_dict()["_snapshot"]["_snapshot_step"] == 0  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DataLoader, StatefulDataLoader])
def test_persistent_workers_persist(kind: Any) -> None:
    """The second pass uses the workers of the first."""

    class Tells(Noisy):
        def __getitem__(self, index: int) -> Any:
            worker = get_worker_info()
            assert worker is not None
            return worker.id, torch.multiprocessing.current_process().pid

    loader, loaders = kind(Tells(), 4, num_workers=2, persistent_workers=True), Loaders()
    first, second = (
        {pid for batch in loaders.start(loader, seed=seed, first=0) for pid in batch[1].tolist()} for seed in range(2)
    )
    assert first == second


def test_the_training_does_not_notice_the_loader() -> None:
    """Global generators, the loader's own, and one that training and data share are as if no batch had been made."""
    loader = _loader("own generator")
    before, shared = loader.generator.get_state(), rng.bit_generator.state
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = noise()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    one_pass(loader, seed=3), one_pass(_loader("notebook"), seed=3), one_pass(_stream("batches"), seed=3)
    assert noise() == expected
    assert torch.equal(loader.generator.get_state(), before)
    assert rng.bit_generator.state == shared


@pytest.mark.parametrize("make", [lambda: DataLoader(Noisy(), 4, shuffle=True), lambda: _stream("stateful")])
def test_the_users_loader_is_untouched(make: Any) -> None:
    """It can be iterated beside ours, as for a look at the data; none of its workers were started."""
    loader = make()
    before = dict(vars(loader))
    one_pass(loader, seed=3)
    assert vars(loader) == before
    assert len(list(loader)) > 5


class OwnCollate(DataLoader[Any]):
    """Collates by a method of its own."""

    def __init__(self, dataset: Any, **options: Any) -> None:
        super().__init__(dataset, collate_fn=self.collated, **options)

    def collated(self, items: list[Any]) -> list[Any]:
        return [len(self.dataset), *items]


@pytest.mark.parametrize("kind", [DataLoader, StatefulDataLoader, OwnCollate])
def test_nothing_outlives_the_users_loader(kind: Any) -> None:
    """The copy refers to the dataset and does not copy it, and both are gone with the loader."""

    class Large(Noisy):
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise AssertionError

    loader, loaders = kind(Large(), batch_size=4), Loaders()
    dataset, gone = weakref.ref(loader.dataset), weakref.ref(loader)
    assert len(one_pass(loader, seed=3, loaders=loaders)) == 6
    del loader
    (
        gc.collect(),
        gc.collect(),
    )  # a loader that collates by a method of its own is a circle, and so is what stands for it
    assert (dataset(), gone()) == (None, None)


def test_what_is_changed_at_the_loader_counts() -> None:
    """The next pass has the collate function that the user has set meanwhile."""
    loader, loaders = DataLoader(Noisy(), 4), Loaders()
    one_pass(loader, seed=3, loaders=loaders)
    loader.collate_fn = len
    assert one_pass(loader, seed=3, loaders=loaders) == ["4"] * 5 + ["1"]


def test_a_loader_that_iterates_only_once_is_refused() -> None:
    """Some keep one iterator, and its workers, for all passes; nobody could begin a pass there."""
    loader = DataLoader(Noisy(), 4)
    loader.iterator = iter(loader)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="keeps one iterator for all its passes"):
        Loaders().start(loader, seed=3, first=0)


def test_a_loader_that_was_told_its_place_is_refused() -> None:
    """Two cannot both know where to go on."""
    loader = StatefulDataLoader(Noisy(), 4)
    next(iter(loader))
    loader.load_state_dict(loader.state_dict())
    with pytest.raises(UsageError, match="load_state_dict"):
        Loaders().start(loader, seed=3, first=0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: list(range(9)),
        lambda: np.arange(9).reshape(3, 3),
        lambda: torch.arange(9),
        lambda: (noise() for _ in range(9)),
        lambda: map(_shifted, range(9)),
        lambda: ([noise(), x] for x in DataLoader(Noisy(), 4, shuffle=True)),
    ],
    ids=["list", "array", "tensor", "generator", "map", "generator over a loader"],
)
def test_anything_else_is_drawn_again(make: Any) -> None:
    """What is no loader comes up to its place once more, on a stream of its own."""
    whole = one_pass(make(), seed=3)
    for first in range(len(whole) + 1):
        assert _pass_while_training(make(), seed=3, first=first) == whole[first:]


@pytest.mark.parametrize("kind", [DataLoader, StatefulDataLoader])
def test_skipping_loads_no_data(kind: Any) -> None:
    """Index lists are drawn and thrown away, and no state is asked for."""
    loaded: list[Any] = []

    class Counting(Noisy):
        def __getitem__(self, index: int) -> tuple[int, float]:
            loaded.append(index)
            return super().__getitem__(index)

        def state_dict(self) -> dict[str, Any]:
            raise AssertionError

        def load_state_dict(self, state: dict[str, Any]) -> None:
            raise AssertionError

    one_pass(kind(Counting(), 4, shuffle=True), seed=3, first=5)
    assert len(loaded) == 1


def test_the_users_own_sampler_is_not_drawn_ahead() -> None:
    """It may look at what the training has done with the batch before."""
    hard = [0]

    class Hardest(BatchSampler):
        def __init__(self) -> None: ...

        def __iter__(self) -> Iterator[list[int]]:
            yield from ([hard[0]] for _ in range(5))

        def __len__(self) -> int:
            return 5

    seen = []
    for indices, _ in Loaders().start(DataLoader(Noisy(), batch_sampler=Hardest()), seed=3, first=0):
        seen += indices.tolist()
        hard[0] += 1
    assert seen == [0, 1, 2, 3, 4]


def test_a_librarys_sampler_is_drawn_ahead_and_not_to_its_end() -> None:
    """Accelerate's counts a pass as done when its last list is drawn; that is when it would be without a run."""
    from accelerate.data_loader import SeedableRandomSampler

    def epochs_seen(items: Any, sampler: Any) -> list[int]:
        return [sampler.epoch for _ in items]

    one, other = (SeedableRandomSampler(Noisy(), data_seed=3) for _ in range(2))
    plain = epochs_seen(DataLoader(Noisy(), 4, sampler=one), one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colab_resume.training.data.indexed._AT_ONCE", 3)
        ours = epochs_seen(Loaders().start(DataLoader(Noisy(), 4, sampler=other), seed=3, first=1), other)
    assert len(ours) > 3
    assert ours == plain[1:]


def test_the_origin_is_the_seed_the_user_chose() -> None:
    """The loader's own generator if it has one, else torch's, also where torchdata makes one up."""
    torch.manual_seed(8)
    assert origin_of(DataLoader(Noisy(), 4, shuffle=True)) == 8
    assert origin_of(StatefulDataLoader(Noisy(), 4, shuffle=True)) == 8
    for kind in (DataLoader, StatefulDataLoader):
        assert origin_of(kind(Noisy(), 4, shuffle=True, generator=torch.Generator().manual_seed(9))) == 9
    assert origin_of([1, 2]) == 8


def test_the_look_tells_what_would_be_other_data() -> None:
    """Map-style data are the same for any number of workers; a stream is shared out among them."""
    assert len({look_of(_loader("shuffled", workers)) for workers in range(3)}) == 1
    assert look_of(_stream("batches", 0)) == look_of(_stream("batches", 1)) == "Streamed"
    assert look_of(_stream("batches", 2)) == "Streamed, shared by 2 workers"
    assert look_of([1, 2]) == "list of 2"
