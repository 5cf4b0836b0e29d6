"""Optimizers that are not torch's own: what they keep where no `state_dict` looks comes back all the same."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from run.conftest import Place
from run.scenes import STOPS, Scene, assert_goes_on
from torch import nn
from torch.optim import lr_scheduler as schedules

import colab_resume
from colab_resume.errors import StateMismatch


def _net() -> Any:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Tanh(), nn.Linear(4, 1))


class Sharpness(torch.optim.Optimizer):
    """As SAM: two passes for a step, which another optimizer takes; its `state_dict` says nothing of that one."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr, "rho": 0.05})
        self.base = torch.optim.SGD(self.param_groups, lr=lr, momentum=0.9)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def climb(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            self.state[parameter]["before"] = parameter.clone()
            parameter.add_(parameter.grad, alpha=self.param_groups[0]["rho"])

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for parameter in self.param_groups[0]["params"]:
            parameter.copy_(self.state[parameter]["before"])
        self.base.step()


class Unbuilt(torch.optim.Optimizer):
    """Torch's constructor is not called, so that there are no hooks, and torch's own `state_dict` fails."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in (one for group in self.param_groups for one in group["params"]):
            parameter.grad = None


class Lookahead(Unbuilt):
    """As many of that name, this one counts in itself."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner, self.param_groups, self.defaults = inner, inner.param_groups, inner.defaults
        self.state = defaultdict(dict)
        self.steps = 0

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.inner.step()
        self.steps += 1
        for parameter in (one for group in self.param_groups for one in group["params"]):
            slow = self.state[parameter].setdefault("slow", parameter.detach().clone())
            if self.steps % 3 == 0:
                slow.lerp_(parameter.detach(), 0.5)
                parameter.data.copy_(slow)


class TwoInside(Unbuilt):
    """Matrices go to one optimizer and the rest to another; there are no groups but theirs."""

    def __init__(self, parameters: Any) -> None:
        every = list(parameters)
        self.optimizers = [
            torch.optim.SGD([one for one in every if one.dim() == 2], 0.05, momentum=0.9),
            torch.optim.AdamW([one for one in every if one.dim() != 2], 0.05),
        ]
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = OrderedDict(), OrderedDict()
        self.state: Any = {}

    @property
    def param_groups(self) -> Any:
        return [group for one in self.optimizers for group in one.param_groups]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for one in self.optimizers:
            one.step()


class Counting(torch.optim.Optimizer):
    """Moments, a count and a rate of its own in plain attributes."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})
        self.t, self.rates = 0, {"now": 0.05}
        self.moments = [torch.zeros_like(one) for one in self.param_groups[0]["params"]]

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.t += 1
        self.rates["now"] = 0.1 / self.t
        for parameter, moment in zip(self.param_groups[0]["params"], self.moments, strict=True):
            parameter.sub_(moment.mul_(0.9).add_(parameter.grad), alpha=self.rates["now"])


class Deaf(Unbuilt):
    """Nothing of torch's constructor and nothing inside: nobody hears it step."""

    def __init__(self, parameters: Any) -> None:
        self.param_groups, self.state, self.defaults = [{"params": list(parameters)}], defaultdict(dict), {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for parameter in self.param_groups[0]["params"]:
            moment = self.state[parameter].setdefault("moment", torch.zeros_like(parameter))
            parameter.sub_(moment.mul_(0.9).add_(parameter.grad), alpha=0.05)


class ByParameter(torch.optim.Optimizer):
    """Its moments lie in dicts of its own, one of which fills itself."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})
        self.mean = {one: torch.zeros_like(one) for group in self.param_groups for one in group["params"]}
        self.square: dict[Any, Any] = defaultdict(lambda: torch.ones(()))

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                self.mean[parameter].mul_(0.9).add_(parameter.grad)
                self.square[parameter] = 0.9 * self.square[parameter] + parameter.grad**2
                parameter.sub_(group["lr"] * self.mean[parameter] / self.square[parameter].sqrt())


class WithSharpness(Scene):
    def __init__(self) -> None:
        self.net = _net()
        self.opt: Any = Sharpness(self.net.parameters(), 0.05)

    def step(self, x: torch.Tensor) -> float:
        self.opt.zero_grad()
        self.loss(x).backward()
        self.opt.climb()
        return super().step(x)


class WithLookahead(Scene):
    def __init__(self) -> None:
        self.net = _net()
        self.opt = Lookahead(torch.optim.AdamW(self.net.parameters(), 0.05))


class AroundItself(Scene):
    """Three deep."""

    def __init__(self) -> None:
        self.net = _net()
        self.opt = Lookahead(Lookahead(torch.optim.Adam(self.net.parameters(), 0.05)))


class WithTwoInside(Scene):
    def __init__(self) -> None:
        self.net = _net()
        self.opt = TwoInside(self.net.parameters())


class WithCounting(Scene):
    def __init__(self) -> None:
        self.net = _net()
        self.opt = Counting(self.net.parameters())


class WithDicts(Scene):
    def __init__(self) -> None:
        self.net = _net()
        self.opt = ByParameter(self.net.parameters())


class WithDeaf(Scene):
    """Every second step accumulates: what it has then must be there after a restart."""

    net: Any

    def __init__(self) -> None:
        self.net = _net()
        self.opt = Deaf(self.net.parameters())
        self.net.steps = 0

    def step(self, x: torch.Tensor) -> float:
        loss = self.loss(x)
        loss.backward()
        self.net.steps += 1
        if self.net.steps % 2 == 0:
            self.opt.step()
            self.opt.zero_grad()
        return loss.item()


def _scheduled(kind: type[Scene]) -> type[Scene]:
    """A schedule goes through the wrapper to the one that steps, after a restart as before."""

    class Scheduled(kind):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            self.schedule = schedules.ExponentialLR(self.opt, 0.8)

        def objects(self) -> dict[str, Any]:
            return {**super().objects(), "schedule": self.schedule}

        def step(self, x: torch.Tensor) -> float:
            loss: float = super().step(x)
            self.schedule.step()
            return loss

    Scheduled.__name__ = f"{kind.__name__}, scheduled"
    return Scheduled


SCENES = [
    WithSharpness,
    WithLookahead,
    AroundItself,
    WithTwoInside,
    WithCounting,
    WithDicts,
    WithDeaf,
    _scheduled(WithSharpness),
    _scheduled(WithLookahead),
    _scheduled(WithCounting),
]


@pytest.mark.slow
@pytest.mark.parametrize("stops", STOPS)
@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
def test_an_optimizer_of_others_goes_on(place: Place, kind: Callable[[], Scene], stops: str) -> None:
    assert_goes_on(place, kind, STOPS[stops])


def test_a_boundary_at_which_nobody_heard_a_step_is_not_passed_over(place: Place) -> None:
    """Else only one in 64 would be saved."""
    scene = WithDeaf()
    run = place.setup()
    run.track(**scene.objects())
    saved = []
    for _ in run.steps(4):
        run._saving.writer.wait(None)
        saved.append(run.status().saved)
        scene.step(torch.ones(4, 3))
    assert saved == [0, 1, 2, 3]


def test_what_an_argument_has_set_is_not_overridden_by_an_old_checkpoint(place: Place) -> None:
    """As with modules: only what the training has changed comes back."""

    class Clipping(Counting):
        def __init__(self, parameters: Any, limit: float) -> None:
            super().__init__(parameters)
            self.limit = limit

    def begin(limit: float) -> tuple[colab_resume.Run, Clipping]:
        net = nn.Linear(3, 1)
        opt = Clipping(net.parameters(), limit)
        run = place.setup()
        run.track(net=net, opt=opt)
        return run, opt

    run, opt = begin(1.0)
    for _ in run.steps(2):
        opt.zero_grad()
        (opt.param_groups[0]["params"][0]).square().sum().backward()
        opt.param_groups[0]["params"][1].grad = torch.ones(1)
        opt.step()
    run.finish()
    run, opt = begin(2.0)
    assert list(run.steps(2)) == []
    assert (opt.t, opt.limit) == (2, 2.0)


def test_another_nest_than_that_of_the_checkpoint_is_refused(place: Place) -> None:
    def train(wrap: Callable[[Any], torch.optim.Optimizer]) -> None:
        net = nn.Linear(3, 1)
        run = place.setup()
        run.track(net=net, opt=wrap(torch.optim.SGD(net.parameters(), 0.1)))
        for _ in run.steps(2):
            run._saving.writer.wait(None)
        run.finish()

    train(Lookahead)
    with pytest.raises(StateMismatch, match=r"of itself, .inner, \[0\] in the checkpoint, of itself, .inner"):
        train(lambda inner: Lookahead(Lookahead(inner)))
    with pytest.raises(StateMismatch, match="an optimizer that holds others"):
        train(lambda inner: inner)


@pytest.mark.parametrize("kind", [Counting, lambda parameters: Lookahead(torch.optim.SGD(parameters, 0.1))])
def test_parameters_in_another_order_are_refused(kind: Any, place: Place) -> None:
    """Nobody knows what such an optimizer keeps by their places."""

    def track(backward: bool) -> colab_resume.Run:
        net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        run = place.setup()
        run.track(net=net, opt=kind(list(net.parameters())[:: -1 if backward else 1]))
        return run

    list(track(False).steps(1))
    with pytest.raises(StateMismatch, match=r"opt: group 0 place 0 is net\.0\.weight"):
        track(True)
