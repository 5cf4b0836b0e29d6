"""Data that come out otherwise in another life are told before the first step, where no batch could tell."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folders.of_others import BESIDE
from run.conftest import Place
from torch import nn
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    Sampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)
from vm import live
from warned import warned

__all__: list[str] = []

TOLD = "the data of loader are not what they were"
POINTS = torch.arange(72.0).reshape(24, 3) / 72.0


class Rows(Dataset[Any]):
    """Of whatever it is given; what it hands out is no matter here."""

    def __init__(self, held: Any = None) -> None:
        self.held = held
        self.cache: dict[int, torch.Tensor] = {}
        self.rng = np.random.default_rng()
        self.drawn = random.random()

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.cache.setdefault(index, torch.full((3,), float(index)))


class Chosen(Dataset[Any]):
    """Of a variable that its methods name."""

    def __len__(self) -> int:
        return len(CHOSEN)

    def __getitem__(self, index: int) -> torch.Tensor:
        return CHOSEN[index]


CHOSEN = torch.zeros(12, 3)


def by_a_global(indices: list[int]) -> Dataset[Any]:
    CHOSEN.copy_(POINTS[indices])
    return Chosen()


def by_a_sampler(indices: list[int]) -> DataLoader[Any]:
    return DataLoader(TensorDataset(POINTS), batch_size=4, sampler=SubsetRandomSampler(indices))


def by_weights(indices: list[int]) -> DataLoader[Any]:
    sampler = WeightedRandomSampler([float(number in indices) for number in range(24)], 12)
    return DataLoader(TensorDataset(POINTS), batch_sampler=BatchSampler(sampler, 4, drop_last=False))


def by_a_collator(indices: list[int]) -> DataLoader[Any]:
    weights = [float(index) for index in indices]
    return DataLoader(Rows(), batch_size=4, collate_fn=lambda rows: torch.stack(rows) * weights[0])


Make = Callable[[list[int]], Any]
SPLIT: dict[str, Make] = {
    "a subset": lambda indices: Subset(TensorDataset(POINTS), indices),
    "tensors": lambda indices: TensorDataset(POINTS[indices]),
    "two together": lambda indices: ConcatDataset([TensorDataset(POINTS), TensorDataset(POINTS[indices])]),
    "a list": lambda indices: [(POINTS[index], index) for index in indices],
    "an array held": lambda indices: Rows(np.array(indices)),
    "a list held": Rows,
    "files held": lambda indices: Rows([f"/content/{index}.png" for index in indices]),
    "a subset of what is held": lambda indices: Subset(Rows(indices), range(12)),
    "a global array": by_a_global,
    "in the collator": by_a_collator,
    "by a sampler": by_a_sampler,
    "by the weights of one": by_weights,
}


class Kept(Rows):
    def state_dict(self) -> dict[str, Any]:
        return {"held": list(self.held)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.held = state["held"]


def points_of(batch: Any) -> torch.Tensor:
    batch = batch["x"] if isinstance(batch, dict) else batch
    points: torch.Tensor = batch[0] if isinstance(batch, list) else batch
    return points


def train(place: Place, data: Any, stop: int = -1, *, track: bool = False) -> None:
    torch.manual_seed(3)
    run, net = place.setup(), nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run.track(net=net, opt=opt)
    if track:
        run.track(data=data)
    loader = data if isinstance(data, DataLoader) else DataLoader(data, batch_size=4, shuffle=True)
    for _ in run.epochs(3):
        for batch in run.batches(loader):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return
            opt.zero_grad()
            net(points_of(batch)).square().mean().backward()
            opt.step()
            if track:
                data.held.append(0)


@pytest.mark.parametrize("kind", SPLIT)
def test_another_split_is_told(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """In the life that has it, and by what the first one had."""
    make = SPLIT[kind]
    mine, other = list(range(12)), list(range(12, 24))
    for stop, indices, told in ((3, mine, False), (6, other, True), (6, mine, False)):
        caplog.clear()
        train(place, make(indices), stop)
        assert (TOLD in caplog.text) is told, caplog.text


def of_pandas(indices: list[int]) -> Rows:
    from pandas import DataFrame

    return Rows(DataFrame({"x": range(24), "y": "a"}).iloc[indices])


def of_pandas_anew(indices: list[int]) -> Rows:
    from pandas import DataFrame

    return Rows(DataFrame({"x": [f"text {index}" for index in indices]}))


def of_hugging_face(indices: list[int]) -> Rows:
    from datasets import Dataset as Table

    return Rows(Table.from_dict({"x": list(range(24))}).select(indices))


def of_hugging_face_anew(indices: list[int]) -> Dataset[Any]:
    from datasets import Dataset as Table

    rows: Dataset[Any] = Table.from_dict({"x": [[float(index)] * 3 for index in indices]}).with_format("torch")
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("make", [of_pandas, of_pandas_anew, of_hugging_face, of_hugging_face_anew])
def test_another_split_of_a_table_is_told(make: Make, tmp_path: Path) -> None:
    if not BESIDE.is_dir():
        pytest.skip(f"needs pandas and datasets in {BESIDE} (make .venv/.others-ready)")

    def life(indices: list[int], stop: int) -> bool:
        sys.path.append(str(BESIDE))
        with warned() as said:
            place = Place(tmp_path)
            train(place, make(indices), stop)
            place.leave()
            return any(TOLD in line for line in said)

    mine, other = list(range(12)), list(range(12, 24))
    lives = [(mine, 3), (other, 6), (mine, 6), (mine, -1)]
    assert [live(lambda: life(*one)) for one in lives] == [(0, False), (0, True), (0, False), (0, False)]  # noqa: B023


def test_what_a_loop_makes_of_its_data_is_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """What is tracked is as it was, and what stands before a second loop is what the first one has left."""
    train(place, Kept([1, 2]), 3, track=True)
    train(place, Kept([1, 2]), 6, track=True)
    assert TOLD not in caplog.text


def test_a_sampler_without_a_length_is_looked_at_as_well(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    class Endless(Sampler[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(range(12))

    loader = DataLoader(TensorDataset(POINTS), batch_sampler=BatchSampler(Endless(), 4, drop_last=False))
    train(place, loader, 3)
    train(place, loader)
    assert not caplog.records


def test_what_another_run_has_left_in_a_cache_is_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A sweep: the data are the same for each run, and have kept the items that they have made."""
    swept = Rows([1, 2])
    swept.cache = {index: torch.ones(3) for index in range(12)}
    train(place, swept, 3)
    train(place, Rows([1, 2]), 6)
    assert TOLD not in caplog.text


def test_a_second_loop_may_find_what_the_first_has_left(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def phases(stop: int) -> None:
        run, data = place.setup(), Rows([])
        s = run.state(n=0)
        loader = DataLoader(data, batch_size=4)
        for name in ("first", "second"):
            for _ in run.epochs(2, name=name):
                for _ in run.batches(loader):
                    run._saving.writer.wait(None)
                    if run.status().step == stop:
                        return
                    s.n += 1
                    if name == "first":
                        data.held.append(1)

    phases(9)
    phases(-1)
    assert TOLD not in caplog.text
