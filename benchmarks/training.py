"""The trainings that are measured: fp32 with AdamW, of a wanted size or of many small tensors, timed part by part."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Step", "Training"]

_FLOAT = 4
_COPIES = 3  # the parameter and AdamW's two moments
_FEW = 16
_SMALL = 64


@dataclass(frozen=True, kw_only=True)
class Step:
    """Seconds: the whole step; in it, the time from the call of `optimizer.step()` until the update really began."""

    whole: float
    waited: float
    update: float


class Training:
    """Build it anew for every restore: then the optimizer has no moments yet, as in a new process."""

    def __init__(self, model: torch.nn.Module, *, width: int, device: str = "cpu") -> None:
        self.model = model.to(device)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-4)
        self._device = torch.device(device)
        self._width = width
        self._watch: torch.utils.hooks.RemovableHandle | None = None
        self._update_began = 0.0
        self.use_batches_of(_FEW)

    @classmethod
    def of_megabytes(cls, megabytes: int, *, device: str = "cpu") -> Training:
        """An MLP whose parameters and moments have this size together."""
        width = 2048 if megabytes >= 200 else 512
        depth = max(1, round(megabytes * 1e6 / (_COPIES * _FLOAT * width * (width + 1))))
        return cls(_mlp(width, depth), width=width, device=device)

    @classmethod
    def of_tensors(cls, count: int) -> Training:
        """An MLP with so many parameters, each a small tensor; AdamW adds three more for each."""
        return cls(_mlp(_SMALL, max(1, count // 2)), width=_SMALL)

    @property
    def nbytes(self) -> int:
        """The size of what a checkpoint holds."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    @property
    def width(self) -> int:
        """How many numbers a row of its batches has."""
        return self._width

    @property
    def on_gpu(self) -> bool:
        """Whether it trains there."""
        return self._device.type == "cuda"

    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors of the state under names of their own, which is all that safetensors holds."""
        model = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        slots = self.optimizer.state_dict()["state"]
        return model | {f"optimizer.{place}.{key}": slots[place][key] for place in slots for key in slots[place]}

    def state(self) -> dict[str, Any]:
        """What people save."""
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """What people do with it afterwards."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])

    def passes(self) -> None:
        """Forward and backward."""
        loss = self.model(self._inputs).square().mean()
        loss.backward()

    def update(self) -> Step:
        """What follows the passes; no gradients are left, so they are in nobody's checkpoint."""
        self._watch_last()
        begin = self._update_began = time.perf_counter()
        self.optimizer.step()
        self.synchronize()
        end = time.perf_counter()
        self.optimizer.zero_grad()
        return Step(whole=end - begin, waited=self._update_began - begin, update=end - self._update_began)

    def step(self) -> None:
        """Forward, backward, update."""
        self.passes()
        self.update()

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked for."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def use_batches_of(self, items: int) -> None:
        """How much each step works on from now on."""
        self._inputs = torch.randn(items, self._width, device=self._device)

    def batch_for(self, seconds: float) -> int:
        """The batch size with which a step takes about so long, with the threads that torch may use now."""
        items = _FEW
        least = took = self._measure(items)
        while took < seconds / 2:
            items *= 2
            took = self._measure(items)
        if items == _FEW:
            return items
        return _FEW + round((items - _FEW) * (seconds - least) / (took - least))

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

    def _watch_last(self) -> None:
        """Hooks run in the order they were added, so this one is added again before each step: whatever a tool waits
        for in a hook of its own lies before it."""
        if self._watch is not None:
            self._watch.remove()
        self._watch = self.optimizer.register_step_pre_hook(self._note)

    def _note(self, *_: object) -> None:
        self._update_began = time.perf_counter()


def _mlp(width: int, depth: int) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for _ in range(depth):
        layers += [torch.nn.Linear(width, width), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)
