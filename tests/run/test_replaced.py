"""The cell that makes the model is run again, and the one with `run.track` is not: refused, not trained for nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn

import colab_resume
from colab_resume.errors import UsageError

__all__: list[str] = []

DATA = [torch.linspace(-1, 1, 12).view(4, 3) * scale for scale in (0.5, 1.0, 1.5)]
SOURCE = """
class Stopper:
    def __init__(self):
        self.best = 9.0
class Net(nn.Linear):
    pass
"""


def own(name: str) -> Any:
    """A class that a cell has defined; each call stands for one run of that cell."""
    scope = {"__name__": __name__, "nn": nn}
    exec(SOURCE, scope)
    return scope[name]


def parts() -> dict[str, Any]:
    torch.manual_seed(1)
    net = own("Net")(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.9)
    return {"net": net, "opt": opt, "sched": sched, "stopper": own("Stopper")()}


def train(run: colab_resume.Run, made: dict[str, Any], *, stop: int = -1) -> None:
    net, opt, sched, stopper = (made[name] for name in ("net", "opt", "sched", "stopper"))
    for _ in run.epochs(3):
        for x in run.batches(DATA):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                raise KeyboardInterrupt
            opt.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            opt.step()
            stopper.best = min(stopper.best, loss.item())
        sched.step()


def interrupted(place: Place) -> tuple[colab_resume.Run, dict[str, Any]]:
    """A training that was left in its second epoch."""
    run, made = place.setup(), parts()
    run.track(**made)
    with pytest.raises(KeyboardInterrupt):
        train(run, made, stop=4)
    return run, made


@pytest.mark.parametrize("name", parts())
def test_what_was_made_anew_and_not_tracked_again_is_refused(name: str, place: Place) -> None:
    """By its name, before a step; once it is tracked, the training goes on to the end of one that was never left."""
    run, made = interrupted(place)
    anew = {**made, name: parts()[name]}
    with pytest.raises(UsageError, match=f"made anew and not tracked again: {name}[.]"):
        train(run, anew)
    assert run.status().step == 4
    run.track(**made)
    train(run, made)
    there = {name: one.clone() for name, one in made["net"].state_dict().items()}

    place.move("never left")
    run, made = place.setup(), parts()
    run.track(**made)
    train(run, made)
    assert all(torch.equal(one, there[name]) for name, one in made["net"].state_dict().items())


def test_all_that_was_made_anew_goes_on_once_it_is_tracked(place: Place) -> None:
    run, _ = interrupted(place)
    anew = parts()
    with pytest.raises(UsageError, match=r"not tracked again: .*net.*[.] The loop") as refused:
        train(run, anew)
    assert all(name in str(refused.value) for name in anew)
    run.track(**anew)
    train(run, anew)
    assert run.status().step == 9


def test_a_loop_that_says_boundaries_itself_is_refused_at_its_first(place: Place) -> None:
    run, net = place.setup(), nn.Linear(3, 1)
    run.track(net=net)
    net = nn.Linear(3, 1)
    with pytest.raises(UsageError, match=r"made anew and not tracked again: net[.]"):
        while run.status().step < 3:
            net(DATA[0])
            run.boundary()
    assert run.status().step == 0


REST: dict[str, Callable[[nn.Sequential], Any]] = {
    "as it is": lambda net: net,
    "around it": lambda net: nn.Sequential(net, nn.Tanh()),
    "a part of it": lambda net: nn.Sequential(net[0]),
    "compiled": lambda net: torch.compile(net, backend="eager"),
    "parallel": nn.DataParallel,
    "another class": lambda _: nn.Linear(3, 1),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("kind", REST)
def test_what_is_made_of_what_is_tracked_is_not(kind: str, place: Place) -> None:
    run, net = place.setup(), nn.Sequential(nn.Linear(3, 1))
    run.track(net=net)
    net = REST[kind](net)
    for _ in run.steps(2):
        assert net is None or net(DATA[0]).shape == (4, 1)


def test_what_is_tracked_under_another_name_is_not(place: Place) -> None:
    """As for folds: a net and a loop of its own for each."""
    run, net = place.setup(), nn.Linear(3, 1)
    run.track(net=net)
    for fold in range(3):
        net = nn.Linear(3, 1)
        run.track(**{f"net_{fold}": net})
        for _ in run.steps(2, name=f"fold {fold}"):
            assert net(DATA[0]).shape == (4, 1)
