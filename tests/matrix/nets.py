"""Nets as small as they can be, and an optimizer that torch does not have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Net", "SparseNet", "TiedNet", "WideMomentum"]


class Net(nn.Module):
    """Small, with everything that makes a step differ from the one before: dropout and running statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x)
        return logits


class TiedNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 3), nn.Linear(3, 3)
        self.last.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.last(torch.tanh(self.first(x))))


class WideMomentum(torch.optim.Optimizer):
    """Momentum in fp32 for parameters in bf16."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    before = state.get("momentum", torch.zeros(parameter.shape))
                    state["momentum"] = 0.9 * before + parameter.grad.float()
                    parameter.copy_(parameter.float() - group["lr"] * state["momentum"])


class SparseNet(Net):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 3, sparse=True)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.table((3 * x[:, 0]).abs().long().clamp(max=9)))
