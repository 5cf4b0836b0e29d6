"""Real runs name what their loops change and nobody tracks; and nothing else."""

from __future__ import annotations

import copy
import io
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from run.conftest import Place
from torchmetrics import MeanMetric
from tqdm import tqdm

import colab_resume


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


class Own:
    """Loops that say `run.boundary()` themselves."""

    def __init__(self, run: colab_resume.Run) -> None:
        self.run = run
        self.s = run.state(i=0)
        self.data = [torch.ones(1) * number for number in range(4)]
        self.loader = torch.utils.data.DataLoader(self.data)

    def over_a_loader(self) -> None:
        for _ in self.loader:
            self.run.boundary()

    def over_a_range(self) -> None:
        for _ in range(3):
            self.run.boundary()

    def over_constants(self) -> None:
        for _ in ("critic", "generator"):
            self.run.boundary()

    def over_a_loader_in_an_epoch(self) -> None:
        for _ in self.run.epochs(2):
            for _number, _batch in enumerate(self.loader):
                self.step()

    def step(self) -> None:
        self.run.boundary()

    def over_what_is_left(self) -> None:
        for _ in range(self.s.i, 3):
            self.run.boundary()

    def over_data_that_are_left(self) -> None:
        for _ in self.data[self.run.status().step :]:
            self.step()

    def over_data_that_values_say(self) -> None:
        s, data = self.s, self.data
        for _ in data[s.i :]:
            self.run.boundary()

    def over_batches(self) -> None:
        for _ in self.run.batches(self.loader):
            self.step()

    def over_a_bar(self) -> None:
        batches = tqdm(self.run.batches(self.loader), file=io.StringIO())
        for _number, _batch in enumerate(batches):
            self.run.boundary()

    def over_an_endless_one(self) -> None:
        batches = _endless(self.run.batches(self.loader))
        for _ in batches:
            self.run.boundary()
            if self.run.status().step == 3:
                break

    def while_there_is_something(self) -> None:
        while self.run.status().step < 3:
            self.run.boundary()


BEGIN_ANEW = {
    Own.over_a_loader: "self.loader",
    Own.over_a_range: "range(...)",
    Own.over_constants: "constants",
    Own.over_a_loader_in_an_epoch: "enumerate(...)",
}
GO_ON = [
    Own.over_what_is_left,
    Own.over_data_that_are_left,
    Own.over_data_that_values_say,
    Own.over_batches,
    Own.over_a_bar,
    Own.over_an_endless_one,
    Own.while_there_is_something,
]


def _around(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line for record in caplog.records if "around run.boundary()" in (line := record.getMessage())]


@pytest.mark.parametrize("loop", BEGIN_ANEW, ids=lambda loop: loop.__name__)
def test_a_for_loop_around_a_boundary_that_begins_anew_is_told(
    place: Place, caplog: pytest.LogCaptureFixture, loop: Callable[[Own], None]
) -> None:
    """In the first step: it would train some data twice after a restart, and others not at all."""
    loop(Own(place.setup()))
    (line,) = _around(caplog)
    assert f"loop over {BEGIN_ANEW[loop]} around" in line
    assert "a restart would begin it anew" in line


@pytest.mark.parametrize("loop", GO_ON, ids=lambda loop: loop.__name__)
def test_one_that_goes_on_is_not(place: Place, caplog: pytest.LogCaptureFixture, loop: Callable[[Own], None]) -> None:
    loop(Own(place.setup()))
    assert _around(caplog) == []


def test_loops_around_the_whole_run_are_not(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A run for each learning rate."""
    for _rate in (0.1, 0.2):
        own = Own(place.setup())
        while own.run.status().step < 2:
            own.step()
    assert _around(caplog) == []


ACCURACIES = (0.5, 0.9, 0.7, 0.8)
"""The second epoch is the best one, and its weights are what the training ends with."""


def _pass(run: colab_resume.Run, net: torch.nn.Linear, epoch: int, stop: int) -> bool:
    for number in run.batches([1.0, 2.0, 3.0]):
        run._saving.writer.wait(None)
        if run.status().step == stop:
            return False
        torch.nn.init.constant_(net.weight, 10 * epoch + number)
    return True


def _in_a_variable(place: Place, stop: int = -1) -> float:
    run, net = place.setup(), torch.nn.Linear(1, 1, bias=False)
    run.track(net=net)
    s = run.state(best=0.0)
    weights = copy.deepcopy(net.state_dict())
    for epoch in run.epochs(4):
        if not _pass(run, net, epoch, stop):
            break
        if ACCURACIES[epoch] > s.best:
            s.best = ACCURACIES[epoch]
            weights = copy.deepcopy(net.state_dict())
    net.load_state_dict(weights)
    return net.weight.item()


def _in_the_runs_state(place: Place, stop: int = -1) -> float:
    run, net = place.setup(), torch.nn.Linear(1, 1, bias=False)
    run.track(net=net)
    s = run.state(best=0.0, weights=copy.deepcopy(net.state_dict()))
    for epoch in run.epochs(4):
        if not _pass(run, net, epoch, stop):
            break
        if ACCURACIES[epoch] > s.best:
            s.best = ACCURACIES[epoch]
            s.weights = copy.deepcopy(net.state_dict())
    net.load_state_dict(s.weights)
    return net.weight.item()


def test_the_best_weights_in_a_variable_are_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Before they are lost; and what is told is true."""
    _in_a_variable(place, stop=1)
    assert "the loop sets weights in some of its turns, and no checkpoint holds it" in caplog.text
    _in_a_variable(place, stop=10)
    assert _in_a_variable(place) != 13.0


def test_the_best_weights_in_the_runs_state_come_back(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    _in_the_runs_state(place, stop=10)
    assert _in_the_runs_state(place) == 13.0
    assert "in some of its turns" not in caplog.text


def test_a_metric_that_counts_in_the_training_is_told_and_goes_on_tracked(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """As torchmetrics has them: modules that count in attributes. One of a validation that begins anew is not."""

    def life(*, tracks: bool, stop: int = -1) -> list[float]:
        run, net = place.setup(), torch.nn.Linear(1, 1)
        trained, validated, found = MeanMetric(), MeanMetric(), []
        run.track(net=net, **({"trained": trained} if tracks else {}))
        for epoch in run.epochs(4):
            for number in run.batches([1.0, 2.0, 3.0]):
                run._saving.writer.wait(None)
                if run.status().step == stop:
                    return []
                torch.nn.init.constant_(net.weight, 10 * epoch + number)
                trained.update(net.weight.detach())
            for number in (4.0, 5.0):
                validated.update(number)
            found = [trained.compute().item(), validated.compute().item()]
            trained.reset(), validated.reset()
        return found

    whole = life(tracks=False)
    assert "in no checkpoint: trained (MeanMetric). A restart" in caplog.text
    place.move("elsewhere")
    caplog.clear()
    life(tracks=True, stop=10)
    assert life(tracks=True) == whole
    assert "in no checkpoint" not in caplog.text
