"""What stands before a loop is compared with what stood there the first time: a copy of trained weights is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from run.conftest import Place
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

__all__: list[str] = []

POINTS = torch.arange(72.0).reshape(24, 3) / 72.0
FULL = TensorDataset(POINTS, POINTS[:, 0])
TOLD = "what stands before the loop is not what it was"


class Holder:
    def __init__(self, net: nn.Module) -> None:
        self.teacher = copy.deepcopy(net)
        self.loader = None


def train(place: Place, makes: Callable[[nn.Module], Any], *, stop: int = -1, early: bool = False) -> Any:
    """Three steps an epoch; `makes` gives what stands before the loop, or before `run.track` if it is `early`."""
    torch.manual_seed(3)
    run = place.setup()
    net = nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    made = makes(net) if early else None
    run.track(net=net, opt=opt)
    made = made if early else makes(net)
    losses = []
    for _ in run.epochs(3):
        for x, _ in run.batches(DataLoader(FULL, batch_size=8, shuffle=True)):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return run
            opt.zero_grad()
            loss = (net(x) - 1.0).square().mean()
            loss.backward()
            opt.step()
            losses.append(loss.item())
            run.log(loss=loss, made=repr(type(made)))
    return run


HANG_ON_WEIGHTS: dict[str, Callable[[nn.Module], Any]] = {
    "a teacher": copy.deepcopy,
    "a copy to stay near": lambda net: {name: one.detach().clone() for name, one in net.named_parameters()},
    "a list of them": lambda net: [one.detach().clone() for one in net.parameters()],
    "an array": lambda net: net(POINTS).detach().numpy(),
    "a choice of the data": lambda net: torch.argsort(torch.sin(net(POINTS)[:, 0] * 1e4)).tolist(),
    "in an object of one's own": Holder,
}
DO_NOT: dict[str, Callable[[nn.Module], Any]] = {
    "the net": lambda net: net,
    "its parameters": lambda net: list(net.parameters()),
    "a view of them": lambda net: next(net.parameters()).detach()[0],
    "a number": lambda net: net(POINTS).mean().item(),
    "noise": lambda _: torch.randn(4),
    "an array of noise": lambda _: np.random.default_rng(1).random(3),
    "a split": lambda _: torch.randperm(24)[:12].tolist(),
    "data": lambda _: Subset(FULL, [1, 2]),
    "an empty list": lambda _: [],
    "what cannot be looked at": lambda _: nn.LazyLinear(2),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("kind", HANG_ON_WEIGHTS)
def test_what_is_made_of_weights_behind_track_is_told(
    kind: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """In each life again, by the name of the variable; with the life before last, too, and at the end of an epoch."""
    train(place, HANG_ON_WEIGHTS[kind], stop=4)
    assert TOLD not in caplog.text
    for stop in (6, 8):
        caplog.clear()
        train(place, HANG_ON_WEIGHTS[kind], stop=stop)
        (line,) = [line for record in caplog.records if TOLD in (line := record.getMessage())]
        assert "when the loop began first (made" in line


@pytest.mark.parametrize("kind", HANG_ON_WEIGHTS)
def test_made_before_track_it_is_what_it_was(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """As the warning says."""
    train(place, HANG_ON_WEIGHTS[kind], stop=4, early=True)
    train(place, HANG_ON_WEIGHTS[kind], early=True)
    assert TOLD not in caplog.text


@pytest.mark.parametrize("kind", DO_NOT)
def test_what_is_the_same_each_time_is_not_told(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    train(place, DO_NOT[kind], stop=4)
    train(place, DO_NOT[kind])
    assert TOLD not in caplog.text


def test_a_second_loop_has_a_beginning_of_its_own(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A teacher that is made between two phases is made of other weights if a restart leads into the second one."""

    def phases(stop: int = -1) -> None:
        torch.manual_seed(3)
        run, net = place.setup(), nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        run.track(net=net, opt=opt)
        for name in ("first", "second"):
            teacher = copy.deepcopy(net)
            for step in run.steps(4, name=name):
                run._saving.writer.wait(None)
                if (name, step) == ("second", stop):
                    return
                (net(POINTS) - teacher(POINTS).detach() - 1).square().mean().backward()
                opt.step()

    phases(stop=2)
    assert TOLD not in caplog.text
    phases()
    lines = [line for record in caplog.records if TOLD in (line := record.getMessage())]
    assert ["(teacher)" in line for line in lines] == [True]


def test_what_is_tracked_by_a_pair_of_functions_is_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def life(stop: int) -> torch.Tensor:
        run, deviation = place.setup(), torch.zeros(2)
        run.track(deviation=(lambda: deviation, deviation.copy_))
        for step in run.steps(4):
            run._saving.writer.wait(None)
            if step == stop:
                break
            deviation.add_(1)
        return deviation

    life(2)
    assert life(9).tolist() == [4, 4]
    assert TOLD not in caplog.text


def test_another_name_for_what_is_in_run_state_is_not_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    def life(stop: int) -> torch.Tensor:
        run = place.setup()
        weights = run.state(weights=torch.zeros(2)).weights
        for step in run.steps(4):
            run._saving.writer.wait(None)
            if step == stop:
                break
            weights.add_(1)
        return weights  # type: ignore[no-any-return]

    life(2)
    assert life(9).tolist() == [4, 4]
    assert TOLD not in caplog.text


CELL = """
for step in run.steps(6):
    run._saving.writer.wait(None)
    if run.status().step == stop: break
    loss = sum((one - two).square().sum() for one, two in zip(net.parameters(), start)) + net(points).mean()
    loss.backward()
    opt.step()
"""


def test_in_a_cell_whose_variables_are_global(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Also those that only an expression inside the loop names."""
    for stop in (3, -1):
        torch.manual_seed(3)
        run, net = place.setup(), nn.Linear(3, 1)
        opt = torch.optim.SGD(net.parameters(), 0.1)
        run.track(net=net, opt=opt)
        start = [one.detach().clone() for one in net.parameters()]
        scope = {"run": run, "net": net, "opt": opt, "start": start, "stop": stop, "points": POINTS}
        exec(compile(CELL, "<ipython-input-1>", "exec"), scope)
        assert (TOLD in caplog.text) is (stop == -1)
    assert "(start)" in caplog.text


def test_a_training_that_goes_back_in_this_process_keeps_its_beginning(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The checkpoint that it goes back to is from before the loop, and knows nothing of it."""
    run, net = place.setup(every="1 h"), nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run.track(net=net, opt=opt)

    def train(run: Any, opt: Any, stop: int) -> int:
        teacher, step = copy.deepcopy(net), 0
        for step in run.steps(6):
            if step == stop:
                break
            if step == 2:
                run._saving.ask(None)
            (net(POINTS) - teacher(POINTS).detach() - 1).square().mean().backward()
            opt.step()
        return step

    assert [train(run, opt, 2), train(run, opt, 4)] == [2, 4]
    assert TOLD not in caplog.text
    run, net = place.setup(), nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run.track(net=net, opt=opt)
    assert run.status().restored == 3
    train(run, opt, -1)
    assert "(teacher)" in caplog.text


def test_a_cell_that_runs_again_is_no_new_beginning(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """In the same process what the loop has filled since is there."""
    run, seen = place.setup(), [0]
    net = nn.Linear(3, 1)
    run.track(net=net)
    for stop in (2, 9):
        for step in run.steps(5):
            run._saving.writer.wait(None)
            if step == stop:
                break
            seen.append(step)
    assert TOLD not in caplog.text
