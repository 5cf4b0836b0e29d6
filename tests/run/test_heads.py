"""What the head of an epoch makes of weights that are trained since is told after a restart in mid-epoch."""

from __future__ import annotations

import copy
import time
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
TOLD = "what the head of this epoch makes"


class Training:
    """Three steps an epoch; `makes` gives what the head of an epoch makes, and the data."""

    def __init__(self, place: Place, makes: Callable[[nn.Module], Any]) -> None:
        torch.manual_seed(3)
        self.run = place.setup()
        self.net = nn.Linear(3, 1)
        self.opt = torch.optim.SGD(self.net.parameters(), 0.1, momentum=0.9)
        self.makes = makes
        self.run.track(net=self.net, opt=self.opt)

    def step(self, x: torch.Tensor, made: Any) -> None:
        self.run._saving.writer.wait(None)  # else most boundaries would find it busy
        self.opt.zero_grad()
        (self.net(x) - 1.0).square().mean().backward()
        self.opt.step()
        self.run.log(made=repr(type(made)))

    def train(self, stop: int = -1) -> None:
        for _ in self.run.epochs(3):
            made = self.makes(self.net)
            data = made if isinstance(made, Subset) else FULL
            for x, _ in self.run.batches(DataLoader(data, batch_size=8, shuffle=True)):
                if self.run.status().step == stop:
                    return
                self.step(x, made)

    def train_by_a_function(self, stop: int = -1) -> None:
        for _ in self.run.epochs(3):
            self.stop = stop
            self.epoch(self.makes(self.net))
            if self.run.status().step >= stop > 0:
                return

    def epoch(self, made: Any) -> None:
        for x, _ in self.run.batches(DataLoader(FULL, batch_size=8, shuffle=True)):
            if self.run.status().step == self.stop:
                return
            self.step(x, made)


@torch.no_grad()
def means(net: nn.Module) -> torch.Tensor:
    return net(POINTS).mean(0)


@torch.no_grad()
def chosen(net: nn.Module) -> Subset[Any]:
    """All but one, in the order of what the net makes of them."""
    return Subset(FULL, torch.argsort(torch.sin(net(POINTS)[:, 0] * 1e4))[:-1].tolist())


HANG_ON_WEIGHTS: dict[str, Callable[[nn.Module], Any]] = {
    "a teacher": copy.deepcopy,
    "a tensor": means,
    "an array": lambda net: means(net).numpy(),
    "a number": lambda net: means(net).item(),
    "a dict of tensors": lambda net: {name: value.clone() for name, value in net.state_dict().items()},
    "labels": lambda net: [[0, 1, 2, 3], [int(value) for value in means(net) * 1e6]],
}
DO_NOT: dict[str, Callable[[nn.Module], Any]] = {
    "a sum": lambda net: 0.0,
    "the net itself": lambda net: net,
    "its weights": lambda net: dict(net.state_dict()),
    "its parameters": lambda net: list(net.parameters()),
    "the time": lambda net: time.time(),
    "a mask": lambda net: torch.rand(5) > 0.5,
    "a text": lambda net: f"the loss is {means(net).item():.9f}",
    "another object": lambda net: object(),
    "nothing": lambda net: None,
    "sparse": lambda net: torch.eye(2).to_sparse(),
    "nan": lambda net: [float("nan"), np.inf],
    "what cannot be looked at": lambda net: nn.LazyLinear(2),
}


def told(place: Place, makes: Callable[[nn.Module], Any], caplog: pytest.LogCaptureFixture, how: str = "train") -> str:
    """What is said after a restart in the second epoch; nothing may have been said before it."""
    getattr(Training(place, makes), how)(stop=5)
    assert TOLD not in caplog.text
    again = Training(place, makes)
    getattr(again, how)()
    assert again.run.status().restored == 5
    return caplog.text


@pytest.mark.parametrize("how", ["train", "train_by_a_function"])
@pytest.mark.parametrize("kind", HANG_ON_WEIGHTS)
def test_what_was_made_of_weights_of_then(kind: str, how: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A restart makes it of others; the variable is named."""
    said = told(place, HANG_ON_WEIGHTS[kind], caplog, how)
    assert f"{TOLD} for its batches is not what it was before the restart (made)" in said


def test_what_the_loop_itself_carries(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """It is taken up where it was, and handed on in each step."""

    def train(stop: int = -1) -> None:
        training = Training(place, means)
        run, kept = training.run, training.run.state(n=0)
        for _ in run.epochs(3):
            n = kept.n
            for x, _ in run.batches(DataLoader(FULL, batch_size=8, shuffle=True)):
                if run.status().step == stop:
                    return
                training.step(x, None)
                n += 1
                kept.n = n
        assert kept.n == 9

    train(stop=5)
    train()
    assert TOLD not in caplog.text


def test_data_that_were_chosen_by_weights_of_then(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """A curriculum, or hard examples: their number alone may be the same."""
    assert "(the data of run.batches)" in told(place, chosen, caplog)


@pytest.mark.parametrize("how", ["train", "train_by_a_function"])
@pytest.mark.parametrize("kind", DO_NOT)
def test_what_a_restart_makes_again(kind: str, how: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is bothered with it."""
    assert TOLD not in told(place, DO_NOT[kind], caplog, how)


def test_a_choice_that_is_kept(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """As the warning says: made behind the batches, and kept by `run.state`; it ends as if nobody had stopped it."""

    def train(stop: int = -1) -> list[float]:
        training = Training(place, chosen)
        run, net = training.run, training.net
        kept = run.state(chosen=list(range(24)))
        for _ in run.epochs(3):
            for x, _ in run.batches(DataLoader(Subset(FULL, kept.chosen), batch_size=8, shuffle=True)):
                if run.status().step == stop:
                    return []
                training.step(x, None)
            kept.chosen = list(chosen(net).indices)
        run.finish()
        return [value for weights in net.parameters() for value in weights.flatten().tolist()]

    train(stop=5)
    found = train()
    place.move("elsewhere")
    assert found == train()
    assert TOLD not in caplog.text
