"""Trainings that die here and there, and go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from exactness import picture
from run.conftest import Place
from torch import nn

import colab_resume

__all__ = ["STOPS", "Scene", "assert_goes_on", "train"]

_DATA = [torch.linspace(-1, 1, 12).view(4, 3) * scale for scale in (0.5, 1.0, 1.5)]

# Four epochs of three steps; what matters happens at the beginning of epoch 2, after six of them.
STOPS = {"everywhere": (0, 4, 6, 7, 10), "after it": (10,)}


class Scene:
    """What one training is made of: what it tracks, and what it does when an epoch begins and in each step."""

    net: nn.Module
    opt: torch.optim.Optimizer

    def objects(self) -> dict[str, Any]:
        return {"net": self.net, "opt": self.opt}

    def starts(self, run: colab_resume.Run) -> None:
        pass

    def begin(self, epoch: int) -> None:
        pass

    def step(self, x: torch.Tensor) -> float:
        self.opt.zero_grad()
        loss = self.loss(x)
        loss.backward()
        self.opt.step()
        return loss.item()

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = (self.net(x + torch.randn(3)) - x.sum(1, keepdim=True)).square().mean()
        return found


def train(place: Place, make: Callable[[], Scene], *, stop: int = -1) -> Any:
    """One session, until so many steps are done: all there is to see in the end."""
    torch.manual_seed(0)
    scene = make()
    run = place.setup()
    run.track(**scene.objects())
    scene.starts(run)
    for epoch in run.epochs(4):
        scene.begin(epoch)
        for x in run.batches(_DATA):
            run._saving.writer.wait(None)
            if run.status().step == stop:
                return None
            run.log(loss=scene.step(x))
    states = picture({name: thing.state_dict() for name, thing in scene.objects().items()})
    flags = [[part.training for part in scene.net.modules()], [p.requires_grad for p in scene.net.parameters()]]
    return states, flags, [record.values for record in run.history()], torch.rand(3).tolist()


def assert_goes_on(place: Place, make: Callable[[], Scene], stops: Sequence[int]) -> None:
    for stop in stops:
        assert train(place, make, stop=stop) is None
    found = train(place, make)
    assert place.runs[-1].status().restored is not None
    place.move("elsewhere")
    assert found == train(place, make)
