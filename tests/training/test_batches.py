"""One pass is a function of its seed: from any batch on, with any number of workers, whatever else is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler

from colab_resume.training.batches import Loaders, origin_of


class Noisy(Dataset[Any]):
    """Each item tells its index and what all generators gave for it."""

    def __len__(self) -> int:
        return 21

    def __getitem__(self, index: int) -> tuple[int, float]:
        return index, torch.rand(1).item() + float(np.random.rand()) + random.random()


class Grouped(BatchSampler):
    """Draws lazily, from every global generator, and keeps half-full groups back."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

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
        noise = arrays.random() + plain.random() + legacy.rand() + torch.rand(1, generator=tensors).item()
        return index, float(noise)


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


class Streamed(IterableDataset[int]):
    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(12).tolist()


def _loaders(workers: int) -> dict[str, Any]:
    options: dict[str, Any] = {"num_workers": workers}
    return {
        "shuffled": DataLoader(Noisy(), 4, shuffle=True, **options),
        "in order": DataLoader(Noisy(), 4, drop_last=True, **options),
        "weighted": DataLoader(Noisy(), 4, sampler=WeightedRandomSampler([1.0] * 20 + [9.0], 21), **options),
        "replaced": DataLoader(
            Noisy(), 4, sampler=RandomSampler(range(21), replacement=True, num_samples=70), **options
        ),
        "grouped": DataLoader(Noisy(), batch_sampler=Grouped(), **options),
        "own generator": DataLoader(Noisy(), 4, shuffle=True, generator=torch.Generator().manual_seed(5), **options),
        "single": DataLoader(Noisy(), None, shuffle=True, **options),
        "own randomness": DataLoader(OwnRandomness(), 4, shuffle=True, **options),
        "own order": DataLoader(Noisy(), batch_sampler=OwnOrder(), **options),
        "own collate": DataLoader(Noisy(), 4, shuffle=True, collate_fn=_shaken, **options),
    }


def _shaken(items: list[Any]) -> list[Any]:
    random.shuffle(items)
    return items


def _pass(loader: Any, *, seed: int, first: int = 0, draw: bool = False, loaders: Loaders | None = None) -> list[str]:
    batches = []
    for batch in (loaders or Loaders()).start(loader, seed=seed, first=first):
        batches.append(repr(batch))
        if draw:
            torch.rand(3), np.random.rand(2), random.random()
    return batches


@pytest.mark.parametrize("kind", _loaders(0))
def test_a_pass_may_begin_at_any_batch(kind: str) -> None:
    """The rest is what would have come, though the training draws between batches."""
    whole = _pass(_loaders(0)[kind], seed=3)
    assert len(whole) > 3
    for first in range(len(whole) + 2):
        assert _pass(_loaders(0)[kind], seed=3, first=first, draw=True) == whole[first:]


@pytest.mark.parametrize("kind", _loaders(0))
def test_two_passes_differ(kind: str) -> None:
    """Another seed, another pass: nothing above is constant."""
    assert _pass(_loaders(0)[kind], seed=3) != _pass(_loaders(0)[kind], seed=4)


def test_no_two_batches_are_shaken_alike() -> None:
    """Each batch of a pass draws numbers of its own, and each item in it."""
    noise = [
        value for batch in Loaders().start(_loaders(0)["in order"], seed=3, first=0) for value in batch[1].tolist()
    ]
    assert len(set(noise)) == len(noise) == 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", _loaders(0))
@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(kind: str, workers: int) -> None:
    """Neither how many there are nor how far they run ahead."""
    assert _pass(_loaders(workers)[kind], seed=3, first=2, draw=True) == _pass(_loaders(0)[kind], seed=3)[2:]


@pytest.mark.slow
def test_persistent_workers_persist_and_change_nothing() -> None:
    """The second pass uses the workers of the first and gives what fresh ones would."""
    loader = DataLoader(Noisy(), 4, shuffle=True, num_workers=2, persistent_workers=True)
    loaders = Loaders()
    _pass(loader, seed=1, loaders=loaders)
    pids = [worker.pid for worker in loaders._copies[loader][0]._iterator._workers]
    second = _pass(loader, seed=2, first=1, loaders=loaders)
    assert [worker.pid for worker in loaders._copies[loader][0]._iterator._workers] == pids
    assert second == _pass(DataLoader(Noisy(), 4, shuffle=True), seed=2)[1:]


def test_the_training_does_not_notice_the_loader() -> None:
    """Global generators and the loader's own are as if no batch had been made."""
    loader = _loaders(0)["own generator"]
    before = loader.generator.get_state()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = torch.rand(1).item(), float(np.random.rand()), random.random()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    _pass(loader, seed=3)
    assert (torch.rand(1).item(), float(np.random.rand()), random.random()) == expected
    assert torch.equal(loader.generator.get_state(), before)


def test_the_users_loader_is_untouched() -> None:
    """It can be iterated beside ours, as for a look at the data."""
    loader = DataLoader(Noisy(), 4, shuffle=True)
    before = dict(vars(loader))
    _pass(loader, seed=3)
    assert vars(loader) == before
    assert len(list(loader)) == 6


@pytest.mark.parametrize("data", [list(range(9)), DataLoader(Streamed(), 4)], ids=["list", "iterable dataset"])
def test_anything_else_is_replayed(data: Any) -> None:
    """What is not a map-style loader is drawn again up to its place, on a stream of its own."""
    whole = _pass(data, seed=3)
    assert _pass(data, seed=3, first=2, draw=True) == whole[2:]


def test_skipping_loads_no_data() -> None:
    """Index lists are drawn and thrown away."""
    loaded: list[int] = []

    class Counting(Noisy):
        def __getitem__(self, index: int) -> tuple[int, float]:
            loaded.append(index)
            return super().__getitem__(index)

    _pass(DataLoader(Counting(), 4, shuffle=True), seed=3, first=5)
    assert len(loaded) == 1


def test_the_origin_is_the_seed_the_user_chose() -> None:
    """The loader's own generator if it has one, else torch's."""
    torch.manual_seed(8)
    assert origin_of(DataLoader(Noisy(), 4, shuffle=True)) == 8
    assert origin_of(DataLoader(Noisy(), 4, shuffle=True, generator=torch.Generator().manual_seed(9))) == 9
    assert origin_of([1, 2]) == 8
