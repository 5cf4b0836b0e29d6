"""A snapshot shows one boundary or nothing, whatever is done to the tensors and whenever."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from training.capture.scene import Scene, is_same

from colab_resume.training.capture.snapshot import Snapshot


class Net(torch.nn.Module):
    """Trained by two optimizers in turn, beside a frozen part and an average that code of its own keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Linear(5, 3)
        self.second = torch.nn.Linear(20, 30)
        self.norm = torch.nn.BatchNorm1d(3)
        self.frozen = torch.nn.Linear(4, 4).requires_grad_(False)
        self.last = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)


def _add(tensor: torch.Tensor, number: int) -> None:
    tensor.add_(number)


def _copy(tensor: torch.Tensor, number: int) -> None:
    tensor.copy_(torch.full_like(tensor, number))


def _clip(tensor: torch.Tensor, number: int) -> None:
    tensor.add_(1).clamp_(0, number)


def _one_number(tensor: torch.Tensor, number: int) -> None:
    tensor.reshape(-1)[number % tensor.numel()] += 1


def _data(tensor: torch.Tensor, number: int) -> None:
    tensor.data.mul_(2).add_(number)


def _one_number_of_data(tensor: torch.Tensor, number: int) -> None:
    if tensor.numel() <= 64:  # of such ones every number is sampled
        tensor.data[(number % tensor.shape[0],) if tensor.dim() else ()] += 1


def _other_memory(tensor: torch.Tensor, number: int) -> None:
    tensor.data = tensor.data.clone().fill_(number)


def _through_numpy(tensor: torch.Tensor, number: int) -> None:
    tensor.detach().numpy()[...] += number


def _through_a_view(tensor: torch.Tensor, number: int) -> None:
    tensor.detach().view_as(tensor).add_(number)


WAYS = [_add, _copy, _clip, _one_number, _data, _one_number_of_data, _other_memory, _through_numpy, _through_a_view]


class Training(RuleBasedStateMachine):
    """Boundaries, copies, steps, and every other way to change a tensor, in any order."""

    @initialize(foreach=st.booleans())
    def begin(self, foreach: bool) -> None:
        torch.manual_seed(0)
        self.net, self.ema = Net(), Net()
        one = torch.optim.AdamW([*self.net.first.parameters(), *self.net.last.parameters()], foreach=foreach)
        two = torch.optim.SGD(self.net.second.parameters(), lr=0.1, momentum=0.9, foreach=foreach)
        self.optimizers: list[Any] = [one, two]
        self.scene = Scene(net=self.net, ema=self.ema, one=one, two=two)
        self.snapshot: Snapshot | None = None
        self.truth: dict[str, Any] = {}
        # What keeps still has been seen to, so that it is copied late from now on.
        for _ in range(3):
            self.boundary(step_follows=True)
            self.step(which=0, zero=True)
            self.step(which=1, zero=True)
            self.written()

    @precondition(lambda self: self.snapshot is None)
    @rule(step_follows=st.sampled_from([True, True, True, False]))
    def boundary(self, step_follows: bool) -> None:
        self.scene.tracking.reach_boundary()
        self.truth = self.scene.truth()
        self.snapshot = self.scene.take(step_follows=step_follows)
        self.scene.tracking.leave_boundary(step_follows=step_follows)

    @rule()
    def copy_one(self) -> None:
        self.scene.copy_one()

    @rule(which=st.integers(0, 1), zero=st.booleans())
    def step(self, which: int, zero: bool) -> None:
        optimizer = self.optimizers[which]
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        if zero:
            optimizer.zero_grad(set_to_none=True)

    @rule(way=st.sampled_from(WAYS), place=st.integers(0, 100), number=st.integers(1, 30))
    def change(self, way: Any, place: int, number: int) -> None:
        tensors = [*self.net.parameters(), *self.net.buffers(), *self.ema.parameters()]
        tensors += [v for o in self.optimizers for s in o.state.values() for v in s.values() if v is not None]
        tensor = tensors[place % len(tensors)]
        with torch.no_grad():
            way(tensor, number)

    @rule(rate=st.floats(0.001, 1))
    def learning_rate(self, rate: float) -> None:
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = rate

    @rule()
    def other_parameter(self) -> None:
        self.net.frozen.weight = torch.nn.Parameter(torch.randn(4, 4), requires_grad=False)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def written(self) -> None:
        assert self.snapshot is not None
        held = self.scene.held(self.snapshot)
        assert held is None or is_same(held, self.truth)
        self.snapshot = None


TestTraining = Training.TestCase
TestTraining.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
