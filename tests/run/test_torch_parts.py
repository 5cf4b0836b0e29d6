"""Every optimizer and every schedule of torch goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn, optim
from torch.optim import lr_scheduler as schedules

Make = Callable[[Any], Any]

OPTIMIZERS: dict[str, Make] = {
    "SGD": lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda parameters: optim.Adam(parameters, 0.1, amsgrad=True),
    "AdamW": lambda parameters: optim.AdamW(parameters, torch.tensor(0.1)),
    "AdamW, not foreach": lambda parameters: optim.AdamW(parameters, 0.1, foreach=False),
    "Adamax": lambda parameters: optim.Adamax(parameters, 0.1),
    "Adagrad": lambda parameters: optim.Adagrad(parameters, 0.1),
    "Adadelta": lambda parameters: optim.Adadelta(parameters, 0.1),
    "Adafactor": lambda parameters: optim.Adafactor(parameters, 0.1),
    "ASGD": lambda parameters: optim.ASGD(parameters, 0.1),
    "NAdam": lambda parameters: optim.NAdam(parameters, 0.1),
    "RAdam": lambda parameters: optim.RAdam(parameters, 0.1),
    "RMSprop": lambda parameters: optim.RMSprop(parameters, 0.1, momentum=0.9, centered=True),
    "Rprop": lambda parameters: optim.Rprop(parameters, 0.1),
    "LBFGS": lambda parameters: optim.LBFGS(parameters, 0.1, max_iter=3, line_search_fn="strong_wolfe"),
}


class WarmUp(schedules.LRScheduler):
    """As many of somebody's own: it hands over to the schedule that it holds, and `state_dict` has that one itself."""

    def __init__(self, opt: optim.Optimizer, then: schedules.LRScheduler) -> None:
        self.then = then
        super().__init__(opt)

    def get_lr(self) -> list[Any]:
        if self.last_epoch < 3:
            return [rate * (self.last_epoch + 1) / 3 for rate in self.base_lrs]
        return self.then.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        if self.last_epoch >= 3:
            self.then.step()
        super().step()


SCHEDULES: dict[str, Make] = {
    "a warm-up of one's own": lambda opt: WarmUp(opt, schedules.StepLR(opt, 2, 0.5)),
    "StepLR": lambda opt: schedules.StepLR(opt, 2),
    "MultiStepLR": lambda opt: schedules.MultiStepLR(opt, [2, 5]),
    "ExponentialLR": lambda opt: schedules.ExponentialLR(opt, 0.9),
    "CosineAnnealingLR": lambda opt: schedules.CosineAnnealingLR(opt, 8),
    "CosineAnnealingWarmRestarts": lambda opt: schedules.CosineAnnealingWarmRestarts(opt, 3),
    "LinearLR": lambda opt: schedules.LinearLR(opt, 0.1, total_iters=6),
    "ConstantLR": lambda opt: schedules.ConstantLR(opt, 0.1, total_iters=5),
    "PolynomialLR": lambda opt: schedules.PolynomialLR(opt, 8, 2.0),
    "LambdaLR": lambda opt: schedules.LambdaLR(opt, lambda step: 1 / (1 + step)),
    "MultiplicativeLR": lambda opt: schedules.MultiplicativeLR(opt, lambda step: 0.9),
    "OneCycleLR": lambda opt: schedules.OneCycleLR(opt, 0.5, total_steps=20),
    "CyclicLR": lambda opt: schedules.CyclicLR(opt, 0.01, 0.1, step_size_up=3),
    "ReduceLROnPlateau": lambda opt: schedules.ReduceLROnPlateau(opt, patience=1),
    "SequentialLR": lambda opt: schedules.SequentialLR(
        opt, [schedules.LinearLR(opt, 0.1, total_iters=3), schedules.ExponentialLR(opt, 0.9)], [3]
    ),
    "ChainedScheduler": lambda opt: schedules.ChainedScheduler(
        [schedules.ConstantLR(opt, 0.1, total_iters=4), schedules.ExponentialLR(opt, 0.9)]
    ),
}


def _train(place: Place, make_optimizer: Make, make_schedule: Make, *, stop: int = -1) -> list[Any]:
    """Eight steps, or as many as there are before `stop`; the weights, the rates and all losses."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1))
    opt = make_optimizer(net.parameters())
    schedule = make_schedule(opt)
    run = place.setup()
    run.track(net=net, opt=opt, schedule=schedule)
    for step in run.steps(8):
        run._saving.writer.wait(None)
        if step == stop:
            break
        x = torch.randn(5, 3)

        def closure(x: torch.Tensor = x) -> torch.Tensor:
            opt.zero_grad()
            loss = (net(x) - x.sum(1, keepdim=True)).square().mean()
            loss.backward()
            return loss

        loss = opt.step(closure)
        run.log(loss=loss.item(), rate=float(opt.param_groups[0]["lr"]))
        schedule.step(*[loss.item()] * isinstance(schedule, schedules.ReduceLROnPlateau))
    history = [record.values for record in run.history()]
    return [[parameter.tolist() for parameter in net.parameters()], history, torch.rand(3).tolist()]


def _assert_goes_on(place: Place, make_optimizer: Make, make_schedule: Make) -> None:
    for stop in (0, 3, 5):
        _train(place, make_optimizer, make_schedule, stop=stop)
    found = _train(place, make_optimizer, make_schedule)
    assert place.runs[-1].status().restored == 5
    place.move("elsewhere")
    assert found == _train(place, make_optimizer, make_schedule)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(place: Place, name: str) -> None:
    """Interrupted three times, in the first step too, it ends with the same bits."""
    _assert_goes_on(place, OPTIMIZERS[name], SCHEDULES["ExponentialLR"])


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_on(place: Place, name: str) -> None:
    """Rates, and with them the weights, are those of a training that was never interrupted."""
    _assert_goes_on(place, OPTIMIZERS["SGD"], SCHEDULES[name])


@pytest.mark.parametrize("zeroing", ["to none before", "to none after", "in place before", "in place after", "never"])
def test_gradients_go_on_however_they_are_zeroed(place: Place, zeroing: str) -> None:
    """Also where they live on from step to step, as when somebody forgets to zero them."""

    def train(stop: int = -1) -> list[Any]:
        torch.manual_seed(0)
        net = nn.Linear(3, 1)
        opt = optim.SGD(net.parameters(), 0.01, momentum=0.9)
        run = place.setup()
        run.track(net=net, opt=opt)
        for step in run.steps(9):
            run._saving.writer.wait(None)
            if step == stop:
                break
            if "before" in zeroing:
                opt.zero_grad(set_to_none="none" in zeroing)
            net(torch.randn(4, 3)).square().mean().backward()
            opt.step()
            if "after" in zeroing:
                opt.zero_grad(set_to_none="none" in zeroing)
        return [net.weight.tolist(), net.bias.tolist()]

    for stop in (4, 6, 7):
        train(stop)
    found = train()
    assert place.runs[-1].status().restored == 7
    place.move("elsewhere")
    assert found == train()


def test_optimizers_that_share_parameters_keep_what_one_of_them_accumulates(place: Place) -> None:
    """One steps every time, the other every third time over gradients that the first leaves alone."""

    def train(stop: int = -1) -> list[Any]:
        torch.manual_seed(0)
        net = nn.ModuleDict({"shared": nn.Linear(3, 1), "own": nn.Linear(3, 1)})
        slow = optim.SGD(net.parameters(), 0.01)
        fast = optim.SGD([*net["own"].parameters(), net["shared"].bias], 0.01, momentum=0.9)
        run = place.setup()
        run.track(net=net, slow=slow, fast=fast)
        for step in run.steps(200):
            run._saving.writer.wait(None)
            if step == stop:
                break
            net["own"].zero_grad()
            (net["shared"](torch.randn(4, 3)) + net["own"](torch.randn(4, 3))).square().mean().backward()
            fast.step()
            if step % 90 == 89:
                slow.step()
                slow.zero_grad()
        return [parameter.tolist() for parameter in net.parameters()]

    train(80)
    found = train()
    assert 60 < (place.runs[-1].status().restored or 0) <= 80
    place.move("elsewhere")
    assert found == train()


def test_sparse_gradients_go_on(place: Place) -> None:
    """SparseAdam keeps dense moments for gradients that are not."""

    def train(stop: int = -1) -> list[Any]:
        torch.manual_seed(0)
        table = nn.Embedding(6, 2, sparse=True)
        opt = optim.SparseAdam(table.parameters(), 0.1)
        run = place.setup()
        run.track(table=table, opt=opt)
        for step in run.steps(6):
            run._saving.writer.wait(None)
            if step == stop:
                break
            opt.zero_grad()
            table(torch.randint(0, 6, (3,))).square().sum().backward()
            opt.step()
        return [table.weight.tolist(), torch.rand(2).tolist()]

    train(2)
    train(4)
    found = train()
    assert place.runs[-1].status().restored == 4
    place.move("elsewhere")
    assert found == train()
