"""Who stops a training, changes something by hand, and runs the loop's cell again, is told that it is undone."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn

import colab_resume

__all__: list[str] = []

DATA = [torch.linspace(-1, 1, 12).view(4, 3) * scale for scale in (0.5, 1.0, 1.5)]
TOLD = "changed while the training stood still"


class Stopper:
    def __init__(self) -> None:
        self.patience, self.losses = 3, []


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Linear(3, 2), nn.Dropout(0.2), nn.Linear(2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.drop(self.first(x)))
        return found


class Training:
    """What the cells have made."""

    def __init__(self, place: Place) -> None:
        torch.manual_seed(1)
        self.run = place.setup()
        self.net = Net()
        self.opt = torch.optim.SGD(self.net.parameters(), 0.1, momentum=0.9)
        self.sched = torch.optim.lr_scheduler.ExponentialLR(self.opt, 0.9)
        self.stopper, self.dice = Stopper(), torch.Generator().manual_seed(2)
        self.run.track(net=self.net, opt=self.opt, sched=self.sched, stopper=self.stopper, dice=self.dice)
        self.s = self.run.state(best=9.0)

    def loop(self, *, stop: int = -1, fail: int = -1) -> None:
        run, net, opt, s = self.run, self.net, self.opt, self.s
        for _ in run.epochs(3):
            net.train()
            for x in run.batches(DATA):
                run._saving.writer.wait(None)
                if run.status().step == stop:
                    signal.raise_signal(signal.SIGINT)
                if run.status().step == fail:
                    raise ZeroDivisionError
                opt.zero_grad()
                loss = net(x + torch.randn(3, generator=self.dice)).square().mean()
                loss.backward()
                opt.step()
                s.best = min(s.best, loss.item())
                self.stopper.losses.append(loss.item())
            self.sched.step()

    def weights(self) -> list[Any]:
        return [one.tolist() for one in self.net.state_dict().values()]


def _weights(training: Training) -> None:
    training.net.load_state_dict({name: one * 2 for name, one in training.net.state_dict().items()})


def _set(what: Callable[[Training], Any], name: str, value: Any) -> Callable[[Training], None]:
    return lambda training: setattr(what(training), name, value)


def _lower(training: Training) -> None:
    training.opt.param_groups[0]["lr"] = 0.01


EDITS: dict[str, tuple[Callable[[Training], None], str]] = {
    "a learning rate": (_lower, "opt.param_groups[0]['lr']"),
    "a frozen layer": (lambda training: training.net.first.requires_grad_(False) and None, "net.first.weight.requires"),
    "weights": (_weights, "net.first.weight, net.first.bias, net.last.weight, net.last.bias"),
    "a dropout": (_set(lambda training: training.net.drop, "p", 0.5), "net.drop.p"),
    "a schedule": (_set(lambda training: training.sched, "gamma", 0.5), "sched.gamma"),
    "an object of one's own": (_set(lambda training: training.stopper, "patience", 9), "stopper.patience"),
    "a value": (_set(lambda training: training.s, "best", 0.0), "best"),
}


def _look(training: Training) -> None:
    training.net.eval()
    training.net(torch.randn(4, 3))
    torch.rand(2, generator=training.dice)
    training.opt.zero_grad()


def stopped(place: Place) -> Training:
    training = Training(place)
    with pytest.raises(KeyboardInterrupt):
        training.loop(stop=4)
    assert training.run.status().step == 5
    return training


def never_stopped(place: Place) -> list[Any]:
    place.move("never stopped")
    training = Training(place)
    training.loop()
    return training.weights()


@pytest.mark.parametrize("kind", EDITS)
def test_a_change_by_hand_is_told_and_undone(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    edit, name = EDITS[kind]
    training = stopped(place)
    edit(training)
    training.loop()
    assert [line for line in caplog.messages if TOLD in line and f" {name}" in line]
    assert training.weights() == never_stopped(place)


def test_it_is_told_where_setup_is_called_first(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    training = stopped(place)
    _lower(training)
    assert colab_resume.setup("r", store=place.store, remote=place.remote, every=1) is training.run
    assert TOLD in caplog.text
    training.loop()
    assert caplog.text.count(TOLD) == 1


def test_of_many_changes_a_few_are_named(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    training = stopped(place)
    training.net.requires_grad_(False)
    training.s.best = 0.0
    training.loop()
    assert "net.last.weight.requires_grad, 1 more. To keep" in caplog.text


@pytest.mark.parametrize("looks", [lambda _: None, _look], ids=["nothing", "a look"])
def test_who_only_looks_is_told_nothing(
    looks: Callable[[Training], None], place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    training = stopped(place)
    looks(training)
    training.loop()
    assert TOLD not in caplog.text
    assert training.weights() == never_stopped(place)


def test_what_a_step_has_changed_that_failed_is_no_change_by_hand(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(place)
    with pytest.raises(ZeroDivisionError):
        training.loop(fail=4)
    _lower(training)
    training.loop()
    assert TOLD not in caplog.text
