"""Who changes a learning rate in the code of a training under way is told that the checkpoint's is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from run.conftest import Place
from torch import nn
from torch.optim import lr_scheduler

__all__: list[str] = []

DATA = [torch.linspace(-1, 1, 12).view(4, 3) * scale for scale in (0.5, 1.0, 1.5)]
TOLD = "the code has changed since the run began"

Makes = Callable[[nn.Module], dict[str, Any]]


def adamw(lr: float = 0.1, **options: Any) -> Makes:
    return lambda net: {"opt": torch.optim.AdamW(net.parameters(), lr, **options)}


def scheduled(make: Callable[[Any], Any], lr: float = 0.1) -> Makes:
    def made(net: nn.Module) -> dict[str, Any]:
        opt = torch.optim.SGD(net.parameters(), lr)
        return {"opt": opt, "sched": make(opt)}

    return made


def warmup(steps: int) -> Makes:
    def sequence(opt: Any) -> Any:
        first = lr_scheduler.LinearLR(opt, total_iters=steps)
        return lr_scheduler.SequentialLR(opt, [first, lr_scheduler.ExponentialLR(opt, 0.9)], [2])

    return scheduled(sequence)


class Held(lr_scheduler.LRScheduler):
    """A warm-up as many write it, which hands over to the schedule that it was given."""

    def __init__(self, opt: Any, after: Any) -> None:
        self.after = after
        super().__init__(opt)

    def get_lr(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def groups(net: nn.Module, first: float, last: float) -> dict[str, Any]:
    rates = zip(net.parameters(), (first, last), strict=True)
    return {"opt": torch.optim.SGD([{"params": [one], "lr": lr} for one, lr in rates])}


CHANGES: dict[str, tuple[Makes, Makes, str]] = {
    "a learning rate": (adamw(), adamw(0.01), "(lr of opt is 0.01, was 0.1)"),
    "as a tensor": (adamw(torch.tensor(0.5)), adamw(torch.tensor(0.25)), "(lr of opt is 0.25, was 0.5)"),
    "betas": (adamw(), adamw(betas=(0.8, 0.9)), "(betas of opt is [0.8, 0.9], was [0.9, 0.999])"),
    "in all groups": (
        lambda net: groups(net, 0.1, 0.1),
        lambda net: groups(net, 0.2, 0.2),
        "(lr of opt is 0.2, was 0.1)",
    ),
    "in one group": (
        lambda net: groups(net, 0.1, 0.1),
        lambda net: groups(net, 0.1, 0.2),
        "(lr of opt is 0.1, 0.2, was 0.1)",
    ),
    "a long table": (
        scheduled(lambda opt: Held(opt, [*range(99)])),
        scheduled(lambda opt: Held(opt, [*range(0, 198, 2)])),
        "(after of sched is [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, ..., was [0, 1, 2, 3,",
    ),
    "the class": (
        lambda net: {"opt": torch.optim.AdamW(net.parameters(), weight_decay=0)},
        lambda net: {"opt": torch.optim.Adam(net.parameters())},
        "(the class of opt is Adam, was AdamW; decoupled_weight_decay of opt is False, was True)",
    ),
    "a schedule": (
        scheduled(lambda opt: lr_scheduler.CosineAnnealingLR(opt, 4)),
        scheduled(lambda opt: lr_scheduler.CosineAnnealingLR(opt, 8)),
        "(T_max of sched is 8, was 4)",
    ),
    "a learning rate below a schedule": (
        scheduled(lambda opt: lr_scheduler.StepLR(opt, 2)),
        scheduled(lambda opt: lr_scheduler.StepLR(opt, 2), 0.2),
        "(lr of opt is 0.2, was 0.1)",
    ),
    "a schedule in one": (warmup(2), warmup(4), "(_schedulers[0].total_iters of sched is 4, was 2)"),
    "a schedule held by one": (
        scheduled(lambda opt: Held(opt, lr_scheduler.StepLR(opt, 2))),
        scheduled(lambda opt: Held(opt, lr_scheduler.StepLR(opt, 3))),
        "(after.step_size of sched is 3, was 2)",
    ),
}
THE_SAME: dict[str, tuple[Makes, Makes]] = {
    "nothing": (adamw(), adamw()),
    "how it is computed": (adamw(foreach=False), adamw(foreach=True)),
    "a table that is too long for each checkpoint": (
        scheduled(lambda opt: Held(opt, [*range(999)])),
        scheduled(lambda opt: Held(opt, [*range(998)])),
    ),
    "a function": (
        scheduled(lambda opt: lr_scheduler.LambdaLR(opt, lambda _: 1.0)),
        scheduled(lambda opt: lr_scheduler.LambdaLR(opt, lambda _: 1.0)),
    ),
}


def train(place: Place, makes: Makes, *, epochs: int = 4, stop: int = -1) -> dict[str, Any]:
    torch.manual_seed(1)
    run, net = place.setup(), nn.Linear(3, 1)
    made = makes(net)
    run.track(net=net, **made)
    for _ in run.epochs(epochs):
        for x in run.batches(DATA):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return made
            made["opt"].zero_grad()
            net(x).square().mean().backward()
            made["opt"].step()
        for sched in (one for name, one in made.items() if name == "sched"):
            sched.step()
    return made


@pytest.mark.parametrize("kind", CHANGES)
def test_what_the_checkpoint_overrides_is_told(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """With both values; in the life after that as well, as long as the code says so."""
    first, then, told = CHANGES[kind]
    train(place, first, stop=4)
    assert TOLD not in caplog.text
    for stop in (7, -1):
        caplog.clear()
        train(place, then, stop=stop)
        assert f"{TOLD} {told}" in caplog.text


def test_the_checkpoints_values_are_what_is_used(place: Place) -> None:
    train(place, adamw(0.1), stop=4)
    assert train(place, adamw(0.01))["opt"].param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("kind", THE_SAME)
def test_of_the_same_code_nothing_is_told(kind: str, place: Place, caplog: pytest.LogCaptureFixture) -> None:
    first, then = THE_SAME[kind]
    train(place, first, stop=4)
    train(place, then)
    assert TOLD not in caplog.text


def test_a_cell_that_is_run_again_before_the_training_begins_decides(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    run, net = place.setup(), nn.Linear(3, 1)
    for lr in (0.1, 0.01):
        opt = torch.optim.SGD(net.parameters(), lr)
        run.track(net=net, opt=opt)
    for _ in run.steps(2):
        opt.step()
    assert opt.param_groups[0]["lr"] == 0.01
    assert TOLD not in caplog.text


def test_a_cell_that_is_run_again_in_mid_training_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    run, net = place.setup(), nn.Linear(3, 1)
    opt = torch.optim.SGD(net.parameters(), 0.1)
    run.track(net=net, opt=opt)
    for number in run.steps(4):
        run._saving.writer.wait(None)
        opt.step()
        if number == 2:
            break
    opt = torch.optim.SGD(net.parameters(), 0.01)
    run.track(net=net, opt=opt)
    assert f"{TOLD} (lr of opt is 0.01, was 0.1)" in caplog.text


@pytest.mark.parametrize("dies_at", [4, 6, 7])
def test_what_is_made_anew_in_each_epoch_may_differ(
    dies_at: int, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    def life(stop: int) -> None:
        run, net = place.setup(), nn.Linear(3, 1)
        run.track(net=net)
        for epoch in run.epochs(4):
            opt = torch.optim.SGD(net.parameters(), 0.1 / (epoch + 1))
            run.track(opt=opt)
            for x in run.batches(DATA):
                run._saving.writer.wait(None)
                if run.status().step == stop:
                    return
                net(x).square().mean().backward()
                opt.step()

    life(dies_at)
    life(-1)
    assert TOLD not in caplog.text
