"""Data that count for themselves are told of; data that only keep something are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from run.conftest import Counter, Place
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset


class Plain(Dataset[int]):
    """Opens its file at first use, keeps what it has read, and knows the last index."""

    def __init__(self) -> None:
        self.file: Any = None
        self.cache: dict[int, int] = {}
        self.last = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if self.file is None:
            self.file = object()
        self.cache[index] = self.last = index + 1
        return index


class Counts(Plain):
    """Makes every item another one, the more items it has made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def __getitem__(self, index: int) -> int:
        self.made += 1
        return index * self.made


class CountsDeeper(Plain):
    """In a method that it calls, and in other words."""

    seen = 0

    def __getitem__(self, index: int) -> int:
        return self.note(index)

    def note(self, index: int) -> int:
        self.seen = self.seen + 1
        return index


class Warmed:
    """A transform that becomes stronger."""

    def __init__(self) -> None:
        self.strength = 0.0

    def __call__(self, item: int) -> int:
        self.strength += 0.1
        return item


class Transformed(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.transforms = [Warmed()]

    def __getitem__(self, index: int) -> int:
        for transform in self.transforms:
            index = transform(index)
        return index


class OfALibrary(Plain):
    """What it has from an installed package is none of its own."""


scope: dict[str, Any] = {}
exec(compile("def counts(self, i):\n  self.n += 1\n  return i", "/usr/lib/site-packages/x.py", "exec"), scope)
OfALibrary.__getitem__ = scope["counts"]  # type: ignore[method-assign]
OfALibrary.n = 0  # type: ignore[attr-defined]


class Stream(IterableDataset[int]):
    """Counts its passes."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Iterator[int]:
        self.passes += 1
        return iter(range(self.passes, self.passes + 4))


TOLD: dict[str, tuple[Callable[[], DataLoader[Any]], str]] = {
    "in an item": (lambda: DataLoader(Counts()), "Counts.made"),
    "in a part of the data": (lambda: DataLoader(Subset(Counts(), [0, 1])), "Counts.made"),
    "in a method": (lambda: DataLoader(CountsDeeper()), "CountsDeeper.seen"),
    "in a transform": (lambda: DataLoader(Transformed()), "Warmed.strength"),
    "in workers": (lambda: DataLoader(Counts(), num_workers=1), "Counts.made"),
    "in workers that live on": (lambda: DataLoader(Stream(), num_workers=1, persistent_workers=True), "Stream.passes"),
}
QUIET: dict[str, Callable[[], Any]] = {
    "what is kept": lambda: DataLoader(Plain()),
    "a stream without workers": lambda: DataLoader(Stream()),
    "workers that end with each pass": lambda: DataLoader(Stream(), num_workers=1),
    "a package's": lambda: DataLoader(OfALibrary()),
    "torch's own": lambda: DataLoader(torch.utils.data.TensorDataset(torch.arange(4))),
    "no loader": lambda: [1, 2],
}


@pytest.mark.parametrize(("make", "name"), TOLD.values(), ids=TOLD)
def test_what_counts_is_told_once(
    make: Callable[[], DataLoader[Any]], name: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the first batch, with its name."""
    assert trained(place, make()) == 2
    (line,) = (record.getMessage() for record in caplog.records if "count for themselves" in record.getMessage())
    assert f"({name})" in line


@pytest.mark.parametrize("make", QUIET.values(), ids=QUIET)
def test_what_does_not_count_is_not_told(
    make: Callable[[], Any], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said of what many data do."""
    trained(place, make())
    assert not [record for record in caplog.records if "count for themselves" in record.getMessage()]


def test_what_is_tracked_is_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Its state is in each checkpoint."""

    class Kept(Counts):
        def state_dict(self) -> dict[str, Any]:
            return {"made": self.made}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.made = state["made"]

    data = Kept()
    trained(place, DataLoader(data), data=data)
    assert not [record for record in caplog.records if "count for themselves" in record.getMessage()]


def trained(place: Place, loader: Any, **tracked: Any) -> int:
    """Two passes over it."""
    run, counter, passes = place.setup(), Counter(), 0
    run.track(counter=counter, **tracked)
    for _ in run.epochs(2):
        passes += 1
        for _ in run.batches(loader):
            counter.n += 1
    run.finish()
    return passes
