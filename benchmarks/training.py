"""The training that is measured: an MLP with AdamW whose parameters and moments have a wanted size, in fp32."""

from __future__ import annotations

import time
from typing import Any

import torch

__all__ = ["Training"]

_FLOAT = 4
_COPIES = 3  # the parameter and AdamW's two moments
_FEW, _MANY = 16, 64


class Training:
    """Build it anew for every restore: then the optimizer has no moments yet, as in a new process."""

    def __init__(self, megabytes: int) -> None:
        width = 2048 if megabytes >= 200 else 512
        depth = max(1, round(megabytes * 1e6 / (_COPIES * _FLOAT * width * (width + 1))))
        layers: list[torch.nn.Module] = []
        for _ in range(depth):
            layers += [torch.nn.Linear(width, width), torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self._inputs = torch.randn(_FEW, width)

    @property
    def nbytes(self) -> int:
        """The size of what a checkpoint holds."""
        moments = (tensor for slots in self.optimizer.state.values() for tensor in slots.values())
        return sum(tensor.nbytes for tensor in (*self.model.parameters(), *moments))

    def state(self) -> dict[str, Any]:
        """What people save."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """What people do with it afterwards."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def step(self) -> None:
        """Forward, backward, update; no gradients are left, so they are in nobody's checkpoint."""
        loss = self.model(self._inputs).square().mean()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def use_batches_of(self, items: int) -> None:
        """How much each step works on from now on."""
        self._inputs = torch.randn(items, self._inputs.shape[1])

    def batch_for(self, seconds: float) -> int:
        """The batch size with which a step takes about so long, with the threads that torch may use now."""
        few, many = self._measure(_FEW), self._measure(_MANY)
        per_item = max((many - few) / (_MANY - _FEW), 1e-6)
        return max(_FEW, _FEW + round((seconds - few) / per_item))

    def _measure(self, items: int) -> float:
        """The shortest of a few: what else the machine does makes steps longer, never shorter."""
        self.use_batches_of(items)
        self.step()
        took = []
        for _ in range(4):
            begin = time.perf_counter()
            self.step()
            took.append(time.perf_counter() - begin)
        return min(took)
