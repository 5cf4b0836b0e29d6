"""Real runs name what their loops change and nobody tracks; and nothing else."""

from __future__ import annotations

import io
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from run.conftest import Place
from tqdm import tqdm


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    return [line for line in lines if "in no checkpoint" in line]


def test_a_loop_that_forgets_is_told_what(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    net = torch.nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sched = torch.optim.lr_scheduler.StepLR(opt, 1)
    steps, best = 0, 9.0
    run = place.setup()
    run.track(net=net)
    for _ in run.epochs(3):
        total = 0.0
        for x in run.batches([torch.ones(1) * number for number in range(4)]):
            opt.zero_grad()
            loss = net(x).square().sum()
            loss.backward()
            opt.step()
            total += loss.item()
            steps += 1
        sched.step()
        best = min(best, total)
    in_steps, in_epochs = _told(caplog)
    assert in_steps.startswith(
        "colab_resume · r: the loop changes what is in no checkpoint: opt (SGD), total (a number)"
    )
    assert "steps (a number)" in in_steps
    assert "checkpoint: sched (StepLR), best (a number). A restart" in in_epochs


class Proxy:
    """Stands for something that is not there, as web frameworks' request and session do."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("working outside of a request")


def test_a_variable_that_cannot_be_looked_at_hides_no_other(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """And does not stop the training."""
    request, count = Proxy(), 0
    run = place.setup()
    for step in run.steps(4):
        count += 1 + step
        assert request is not None
    assert ["count (a number)" in line for line in _told(caplog)] == [True]


class Sealed:
    """Tells its state, and nothing else."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        raise RuntimeError("sealed")

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        pass


def test_that_nothing_could_be_looked_for_is_told_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A training that is not watched may be one that forgets."""
    count = 0
    run = place.setup()
    run.track(sealed=Sealed())
    for step in run.steps(4):
        count += 1 + step
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    told_of_this = [line for line in told if "no checkpoint holds could not be looked for" in line]
    assert len(told_of_this) == 1
    assert "RuntimeError('sealed')" in told_of_this[0]


def test_a_loop_that_keeps_all_is_told_nothing(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    net = torch.nn.Linear(1, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sched = torch.optim.lr_scheduler.StepLR(opt, 1)
    run = place.setup()
    run.track(net=net, opt=opt, sched=sched)
    s = run.state(steps=0, best=9.0, total=0.0)
    for epoch in run.epochs(3):
        s.total = 0.0
        for number, x in enumerate(run.batches([torch.ones(1) * number for number in range(4)])):
            opt.zero_grad()
            loss = net(x).square().sum() * (epoch + 1)
            loss.backward()
            opt.step()
            s.total += loss.item()
            s.steps += 1
            run.log(loss=loss, number=number)
        sched.step()
        s.best = min(s.best, s.total)
    assert _told(caplog) == []


def test_steps_are_a_loop_as_well(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    run, seen = place.setup(), []
    for step in run.steps(3):
        seen.append(step * 2)  # noqa: PERF401 - what this is about
    (line,) = _told(caplog)
    assert "checkpoint: seen (a list). A restart" in line


def test_so_is_one_that_says_its_boundaries(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    run, rate = place.setup(), 1.0
    while run.status().step < 3:
        rate *= 0.5
        run.boundary()
    (line,) = _told(caplog)
    assert "checkpoint: rate (a number). A restart" in line


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


class _Handing:
    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self.items)


DRAWN: dict[str, Callable[[Any], Iterator[Any]]] = {
    "by iter": iter,
    "by a generator function": _endless,
    "by a bar": lambda passes: iter(tqdm(passes, file=io.StringIO())),
    "by a bar and a generator function": lambda passes: _endless(tqdm(passes, file=io.StringIO())),
    "by a zip": lambda passes: zip(passes, itertools.repeat(1)),
    "by a map": lambda passes: map(abs, map(abs, passes)),
    "by an iterator of one's own": lambda passes: _Handing(iter(passes)),
    "by an expression": lambda passes: (x * 2 for x in passes),
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_what_is_drawn_from_the_run_is_not_told(
    place: Place, caplog: pytest.LogCaptureFixture, draw: Callable[[Any], Iterator[Any]]
) -> None:
    run = place.setup()
    items = draw(run.batches(torch.utils.data.DataLoader([torch.ones(1)] * 9)))
    for _ in run.steps(5):
        next(items)
    assert _told(caplog) == []


def test_what_is_drawn_past_the_run_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """As when a second loader goes along with the first: semi-supervised training, a validation batch in each step."""
    labelled = torch.utils.data.DataLoader([torch.ones(1)] * 9)
    run, items = place.setup(), iter(labelled)
    for _ in run.epochs(2):
        inside = _endless(labelled)
        for _x in run.batches(labelled):
            next(items, None)
            next(inside)
    lines = _told(caplog)
    assert ["items (an iterator)" in line for line in lines].count(True) == 1
    assert ["inside (an iterator)" in line for line in lines].count(True) == 1
