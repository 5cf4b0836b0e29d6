"""A look at modules and optimizers holds as long as a state made now would have the same form, and not longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.training.objects import identity
from colab_resume.training.objects.identity import are_same
from colab_resume.training.objects.steady import look_at_module, look_at_optimizer


class Net(torch.nn.Module):
    """A layer, a norm with buffers, and an attribute of each plain kind that can be replaced by an equal one."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1, bias=False)
        self.norm = torch.nn.BatchNorm1d(1)
        self.count, self.share, self.words = 1, 0.0, ("a", 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.layer(x))


class Scene:
    """A net and an optimizer that have made a step."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = Net()
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.weight = self.net.layer.weight
        self.step()

    def step(self) -> None:
        """As people write it."""
        self.net(torch.randn(4, 3)).square().sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    @property
    def slot(self) -> dict[str, Any]:
        """The optimizer's state of one parameter."""
        return self.optimizer.state[self.weight]


def _hook(*_: Any) -> None:
    """Does nothing, but nobody knows."""


CHANGES_OF_MODULE: list[Callable[[Scene], Any]] = [
    lambda scene: scene.net.eval(),
    lambda scene: scene.net.norm.eval(),
    lambda scene: scene.weight.requires_grad_(False),
    lambda scene: setattr(scene.weight, "data", scene.weight.detach().clone()),
    lambda scene: setattr(scene.net.layer, "weight", torch.nn.Parameter(scene.weight.detach())),
    lambda scene: setattr(scene.net.norm, "num_batches_tracked", scene.net.norm.num_batches_tracked.clone()),
    lambda scene: setattr(scene.net, "layer", torch.nn.Linear(3, 1, bias=False)),
    lambda scene: setattr(scene.net, "more", torch.nn.Identity()),
    lambda scene: scene.net.register_buffer("more", torch.zeros(1)),
    lambda scene: delattr(scene.net.norm, "running_mean"),
    lambda scene: setattr(scene.net, "count", True),
    lambda scene: setattr(scene.net, "share", -0.0),
    lambda scene: setattr(scene.net, "words", ("a", True)),
    lambda scene: setattr(scene.net, "unheard", 3),
    lambda scene: setattr(scene.net.norm, "_buffers", dict(reversed(scene.net.norm._buffers.items()))),
    lambda scene: setattr(scene.net.norm, "__dict__", {**vars(scene.net.norm), "_parameters": {}}),
    lambda scene: scene.net.norm.register_state_dict_post_hook(_hook),
    lambda scene: scene.net.register_state_dict_pre_hook(_hook),
]

CHANGES_OF_OPTIMIZER: list[Callable[[Scene], Any]] = [
    lambda scene: scene.slot.update(exp_avg=scene.slot["exp_avg"].clone()),
    lambda scene: scene.slot.update(step=scene.slot["step"].clone()),
    lambda scene: scene.slot.update(more=torch.zeros(1)),
    lambda scene: scene.slot.pop("exp_avg_sq"),
    lambda scene: setattr(scene.slot["exp_avg"], "data", torch.zeros(1, 3)),
    lambda scene: scene.optimizer.state.clear(),
    lambda scene: scene.optimizer.state.update({torch.nn.Parameter(torch.zeros(1)): {}}),
    lambda scene: scene.optimizer.state.update({scene.weight: dict(scene.slot, step=1)}),
    lambda scene: scene.optimizer.param_groups[0].update(lr=torch.tensor(0.1)),
    lambda scene: scene.optimizer.param_groups[0].update(betas=(0.5, 0.6)),
    lambda scene: scene.optimizer.param_groups[0].update(more=1),
    lambda scene: scene.optimizer.param_groups[0]["params"].pop(),
    lambda scene: scene.optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]}),
    lambda scene: scene.optimizer.register_state_dict_post_hook(_hook),
    lambda scene: setattr(scene.optimizer, "own", 3),
]


def test_it_holds_while_the_training_goes_on() -> None:
    """Else each capture would make all of it anew."""
    scene = Scene()
    looks = look_at_module(scene.net), look_at_optimizer(scene.optimizer)
    for _ in range(3):
        scene.step()
        scene.optimizer.param_groups[0]["lr"] *= 0.5
        assert all(look is not None and look.holds() for look in looks)


@pytest.mark.parametrize("way", ["as memory", "one by one"])
@pytest.mark.parametrize(
    ("look_at", "change"),
    [
        *((lambda scene: look_at_module(scene.net), change) for change in CHANGES_OF_MODULE),
        *((lambda scene: look_at_optimizer(scene.optimizer), change) for change in CHANGES_OF_OPTIMIZER),
    ],
)
def test_whatever_changes_the_form_is_seen(
    look_at: Callable[[Scene], Any], change: Callable[[Scene], Any], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by something that is equal and not the same. A learning rate is no form, unless it is a tensor."""
    if way == "one by one":
        monkeypatch.setattr(identity, "_is_known", lambda: False)
    else:
        assert identity._is_known(), "each capture costs more than it need, and nobody would notice"
    scene = Scene()
    look = look_at(scene)
    assert look is not None
    assert look.holds()
    change(scene)
    assert not look.holds()


OBJECTS = [None, True, 1, 1.0, 0.0, -0.0, "a", (), [], [], {}, {}, torch.zeros(()), torch.zeros(())]


@given(st.lists(st.sampled_from(range(len(OBJECTS)))), st.lists(st.sampled_from(range(len(OBJECTS)))))
def test_the_same_objects_and_not_equal_ones(before: list[int], now: list[int]) -> None:
    """In number, in order, and one by one."""
    held = tuple(OBJECTS[place] for place in before)
    assert are_same(held, tuple(OBJECTS[place] for place in before))
    assert are_same(held, tuple(OBJECTS[place] for place in now)) == (before == now)
