"""Data that come otherwise after a restart, as no seed decides what they are: nobody can mend that, but it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler
from vm import KILLED, die, live
from warned import warned

import colab_resume

__all__: list[str] = []

_SAID = "begins with another batch than before the restart"
_OTHER = "the batch that comes next is not the one that would have come"


def order(seed: int | None) -> list[int]:
    return np.random.default_rng(seed).permutation(40).tolist()


class Rows(Dataset[Any]):
    """Each is drawn on as well: a little noise, as augmentation makes it."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        return {"x": torch.full((3,), float(index)) + torch.randn(3), "name": f"row {index}"}


class Shuffling(Sampler[int]):
    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def __len__(self) -> int:
        return 40

    def __iter__(self) -> Iterator[int]:
        return iter(order(self._seed))


class Stream(IterableDataset[Any]):
    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[Any]:
        return (Rows()[index] for index in order(self._seed))


class Source:
    """An iterable of the user's own."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def __iter__(self) -> Iterator[Any]:
        for index in order(self._seed):
            yield np.array([index]), {"rows": [Rows()[index]]}


Make = Callable[[int | None], Any]
_DATA: dict[str, Make] = {
    "a sampler": lambda seed: DataLoader(Rows(), 4, sampler=Shuffling(seed)),
    "a sampler, in workers": lambda seed: DataLoader(Rows(), 4, sampler=Shuffling(seed), num_workers=2),
    "a stream": lambda seed: DataLoader(Stream(seed), 4),
    "a stream, in a worker": lambda seed: DataLoader(Stream(seed), 4, num_workers=1),
    "an iterable": Source,
}


def train(folder: Path, make: Make, seed: int | None, *, dies: bool, ahead: bool | None = None) -> list[str]:
    """What is warned of; it dies in the middle of its second pass."""
    with warned() as said:
        run = colab_resume.setup("data", store=folder / "disk", remote=folder / "drive", every=1)
        values = run.state(n=0)
        loader = make(seed)
        for epoch in run.epochs(2):
            for batch in run.batches(loader, ahead=ahead):
                if not ahead or seed is not None:  # what is drawn ahead and changed nobody can compare
                    spoil(batch)
                values.n += 1
                run._saving.writer.wait(None)
                if dies and epoch == 1 and run.status().step % 10 == 4:
                    run.flush()
                    die()
        run.finish()
        return said


def spoil(batch: Any) -> None:
    """As a loop does that normalizes in place."""
    if isinstance(batch, dict) and isinstance(batch["x"], torch.Tensor):
        batch["x"].zero_()


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "times"), [(None, 1), (3, 0)], ids=["without a seed", "with one"])
@pytest.mark.parametrize("name", _DATA)
def test_an_order_without_a_seed_is_noticed(name: str, seed: int | None, times: int, tmp_path: Path) -> None:
    """Once, for the pass that was gone on with."""
    assert live(lambda: train(tmp_path, _DATA[name], seed, dies=True))[0] == KILLED
    said = live(lambda: train(tmp_path, _DATA[name], seed, dies=False))[1]
    assert sum(_SAID in line for line in said) == times, said


class Files(Dataset[Any]):
    """What a folder has, in the order in which it is found."""

    def __init__(self, found: list[int]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: int) -> Any:
        return Rows()[self._found[index]]


class Read(IterableDataset[Any]):
    """The same, one after the other, from the third on: so the first batch is the same in any case."""

    def __init__(self, found: list[int]) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Any]:
        return (Rows()[index] for index in [0, 1, 2, 3, *self._found])


def found(seed: int | None) -> list[int]:
    """In another order in each life, or always in the same."""
    return order(seed) if seed is None else list(range(40))


_FILES: dict[str, tuple[Make, bool | None]] = {
    "by their number": (lambda seed: DataLoader(Files(found(seed)), 4, shuffle=True), None),
    "in workers": (lambda seed: DataLoader(Files(found(seed)), 4, shuffle=True, num_workers=2), None),
    "each by itself": (lambda seed: DataLoader(Files(found(seed)), None), None),
    "drawn ahead": (lambda seed: DataLoader(Files(found(seed)), 4, shuffle=True), True),
    "read": (lambda seed: DataLoader(Read(found(seed)), 4), None),
    "read ahead": (lambda seed: DataLoader(Read(found(seed)), 4), True),
}


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "times"), [(None, 1), (3, 0)], ids=["in another order", "in the same"])
@pytest.mark.parametrize("name", _FILES)
def test_other_items_in_the_same_order_are_noticed(name: str, seed: int | None, times: int, tmp_path: Path) -> None:
    """By the one that comes next, whatever the loop has done to it."""
    make, ahead = _FILES[name]
    assert live(lambda: train(tmp_path, make, seed, dies=True, ahead=ahead))[0] == KILLED
    said = live(lambda: train(tmp_path, make, seed, dies=False, ahead=ahead))[1]
    assert sum(_OTHER in line for line in said) == times, said
    assert not any(_SAID in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 8])
def test_another_batch_size_is_named(size: int, tmp_path: Path) -> None:
    """Who was out of memory makes it smaller."""
    assert live(lambda: train(tmp_path, lambda _: DataLoader(Rows(), 4, shuffle=True), 3, dies=True))[0] == KILLED
    said = live(lambda: train(tmp_path, lambda _: DataLoader(Rows(), size, shuffle=True), 3, dies=False))[1]
    (line,) = [line for line in said if "before the restart" in line]
    assert f"a batch has {size} items now, and had 4 before the restart" in line


@pytest.mark.slow
def test_what_comes_next_is_not_guessed_where_the_code_says_that_a_step_is_complete(tmp_path: Path) -> None:
    """Then a checkpoint lies behind the batch that was trained on, and before the next one is drawn."""

    def life(stop: int) -> list[str]:
        with warned() as said:
            run = colab_resume.setup("data", store=tmp_path, every=1)
            values = run.state(n=0)
            for _ in run.epochs(2):
                for _ in run.batches(DataLoader(Rows(), 4, shuffle=True)):
                    values.n += 1
                    run.boundary()
                    run._saving.writer.wait(None)
                    if values.n == stop:
                        die()
            run.finish()
            return said

    assert live(lambda: life(13))[0] == KILLED
    assert live(lambda: life(-1)) == (0, [])
