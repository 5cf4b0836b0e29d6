"""What somebody puts around a loader: bars of tqdm, prefetchers and loaders of one's own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from run.conftest import Place
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

import colab_resume


class _Rows(Dataset[torch.Tensor]):
    def __init__(self) -> None:
        self.reads = 0

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> torch.Tensor:
        self.reads += 1
        return torch.full((3,), float(index)) + torch.randn(3) + float(np.random.rand())


class _Around:
    """As prefetchers are: a class of one's own that draws from the loader it was given."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            yield batch * 2


class _Loader(DataLoader[Any]):
    """A `DataLoader` that draws from another one and not from what it was told."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.loader = loader
        super().__init__(loader.dataset, loader.batch_size, shuffle=True)

    def __iter__(self) -> Any:
        yield from self.loader


def _drawn(loader: Any) -> Iterator[Any]:
    yield from loader


def _same(thing: Any) -> Any:
    return thing


def _bar(thing: Any) -> Any:
    return tqdm(thing, disable=True)


# What is made once, and what each pass makes of it.
WRAPPERS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "a bar for each pass": (_same, _bar),
    "a bar around a bar": (_same, lambda loader: _bar(_bar(loader))),
    "an object of one's own": (_Around, _same),
    "a bar around that": (_Around, _bar),
    "another loader": (_Loader, _same),
    "a generator for each pass": (_same, _drawn),
}


def _loader(workers: int) -> DataLoader[Any]:
    return DataLoader(_Rows(), 3, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def _train(place: Place, name: str, workers: int, *, stop: int = -1) -> Any:
    once, each = WRAPPERS[name]
    torch.manual_seed(0)
    net = nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 1e-3, momentum=0.9)
    run = place.setup()
    run.track(net=net, opt=opt)
    wrapped = once(_loader(workers))
    for _ in run.epochs(3):
        for x in run.batches(each(wrapped)):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return None
            opt.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            run.log(loss=loss)
    return [record.values for record in run.history()], net.weight.tolist(), torch.rand(3).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapped_loader_goes_on(place: Place, name: str, workers: int) -> None:
    """Also from workers that live on from pass to pass, whose random numbers hang on all passes before."""
    for stop in (2, 5, 10):
        assert _train(place, name, workers, stop=stop) is None
    found = _train(place, name, workers)
    assert place.runs[-1].status().restored == 10
    place.move("elsewhere")
    assert found == _train(place, name, workers)


def test_a_bar_hides_nothing(place: Place) -> None:
    """What was trained on is not loaded again, and the bar shows how far the pass is."""
    loader = _loader(0)
    run = place.setup()
    for _ in run.epochs(1):
        for _ in run.batches(tqdm(loader, disable=True)):
            run._saving.writer.wait(None)
            if run.status().step == 2:
                break
        break
    run.finish()
    loader, screen = _loader(0), io.StringIO()
    run = place.setup()
    for _ in run.epochs(1):
        bar = tqdm(loader, file=screen, mininterval=0)
        seen = [bar.n for _ in run.batches(bar)]
    assert seen == [2, 3]
    assert (bar.n, bar.total) == (4, 4)
    assert loader.dataset.reads == 6  # type: ignore[attr-defined]
    assert "4/4" in screen.getvalue()


def test_a_bar_of_a_pass_that_is_over_is_closed(place: Place) -> None:
    """Else it would stand there for good, and the next one would be drawn below it."""
    bars: list[Any] = []

    def epoch(run: colab_resume.Run, stop: int) -> None:
        for _ in run.epochs(1):
            for _ in range(2):
                bars.append(tqdm(_loader(0), file=io.StringIO()))
                for _ in run.batches(bars[-1]):
                    run._saving.writer.wait(None)
                    if run.status().step == stop:
                        return

    epoch(place.setup(), 6)
    bars.clear()
    epoch(place.setup(), -1)
    assert [bar.disable for bar in bars] == [True, True]  # as tqdm notes that one is closed
    assert [bar.n for bar in bars] == [0, 4]


def test_the_batch_after_a_bar_is_what_the_loader_gives(place: Place) -> None:
    """A bar makes no other training of it: passes are seeded by what is inside."""

    def drawn(run: colab_resume.Run, wrap: Callable[[Any], Any]) -> list[Any]:
        torch.manual_seed(0)
        return [x.tolist() for _ in run.epochs(1) for x in run.batches(wrap(_loader(0)))]

    plain = drawn(place.setup(), _same)
    place.move("elsewhere")
    assert drawn(place.setup(), _bar) == plain
