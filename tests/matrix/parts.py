"""What is trained and how it is updated: each name stands for a net with its optimizers and schedules.

`loops.py` calls them in the way of its own; what they keep must all be tracked, under the names of `tracked`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from matrix.nets import Net, SparseNet, TiedNet, WideMomentum
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import lr_scheduler as schedules
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import colab_resume

__all__ = ["PARTS", "Parts"]


class Parts:
    """The usual: AdamW, and a rate that falls after each epoch."""

    def __init__(self, life: int, name: str) -> None:
        self.name = name
        self.net: nn.Module = self.make_net()
        self.opt = self.make_optimizer()
        self.schedule: Any = schedules.StepLR(self.opt, 1, 0.8)

    def make_net(self) -> nn.Module:
        return Net()

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.net.parameters(), 0.05)

    @property
    def tracked(self) -> dict[str, Any]:
        return self._named(net=self.net, opt=self.opt, schedule=self.schedule)

    @property
    def compared(self) -> dict[str, Any]:
        """What must be the same at the end."""
        return self.tracked

    @property
    def rate(self) -> float:
        return float(self.opt.param_groups[0]["lr"])

    def _named(self, **objects: Any) -> dict[str, Any]:
        return {self.name + key: thing for key, thing in objects.items()}

    def begin_epoch(self, run: colab_resume.Run, epoch: int) -> None:
        self.net.train()

    def guess(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(self.guess(x), y)

    def backward(self, x: Tensor, y: Tensor) -> float:
        """Add the gradients of this batch."""
        loss = self.loss(x, y)
        loss.backward()
        return loss.item()

    def update(self) -> None:
        """Use the gradients, and forget them."""
        self.opt.step()
        self.opt.zero_grad()

    def step(self, x: Tensor, y: Tensor) -> float:
        loss = self.backward(x, y)
        self.update()
        return loss

    def value(self, x: Tensor, y: Tensor) -> float:
        """The loss, looked at without training."""
        self.net.eval()
        with torch.no_grad():
            value = self.loss(x, y).item()
        self.net.train()
        return value

    def end_epoch(self, value: float) -> None:
        self.schedule.step()


class _Scaled(Parts):
    """Autocast and a scaler whose first steps overflow, so that the optimizer leaves them out."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=3)

    @property
    def tracked(self) -> dict[str, Any]:
        return super().tracked | self._named(scaler=self.scaler)

    def guess(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().guess(x).float()

    def backward(self, x: Tensor, y: Tensor) -> float:
        loss = self.loss(x, y)
        self.scaler.scale(loss).backward()
        return loss.item()

    def update(self) -> None:
        self.scaler.step(self.opt)
        self.scaler.update()
        self.opt.zero_grad()


class _Thawed(Parts):
    """The first layer is frozen until the second epoch; only then the optimizer gets it, as a group of its own."""

    def make_optimizer(self) -> torch.optim.Optimizer:
        first, *rest = (list(part.parameters()) for part in self.net.body)  # type: ignore[union-attr]
        self.late = [parameter.requires_grad_(False) for parameter in first]
        return torch.optim.AdamW([parameter for part in rest for parameter in part], 0.05)

    def begin_epoch(self, run: colab_resume.Run, epoch: int) -> None:
        super().begin_epoch(run, epoch)
        if epoch == 1:
            self.opt.add_param_group({"params": [one.requires_grad_() for one in self.late], "lr": 0.02})


class _OneCycle(Parts):
    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self.schedule = schedules.OneCycleLR(self.opt, 0.1, total_steps=100)

    def update(self) -> None:
        super().update()
        self.schedule.step()

    def end_epoch(self, value: float) -> None:
        pass


class _Plateau(Parts):
    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self.schedule = schedules.ReduceLROnPlateau(self.opt, factor=0.5, patience=0, threshold=0.2)

    def end_epoch(self, value: float) -> None:
        self.schedule.step(value)


class _Sequential(Parts):
    """Warm-up, then decay, as one schedule that is stepped after each batch."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        warm = schedules.LinearLR(self.opt, 0.1, total_iters=4)
        self.schedule = schedules.SequentialLR(self.opt, [warm, schedules.ExponentialLR(self.opt, 0.9)], [4])

    def update(self) -> None:
        super().update()
        self.schedule.step()

    def end_epoch(self, value: float) -> None:
        pass


class _LateWarmUp(Parts):
    """A warm-up made where it is needed: at the begin of the first epoch, when everything else is restored."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self._warm_up: schedules.LinearLR | None = None

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.net.parameters(), 0.1, momentum=0.9)

    def begin_epoch(self, run: colab_resume.Run, epoch: int) -> None:
        super().begin_epoch(run, epoch)
        self._warm_up = None
        if epoch == 0:
            self._warm_up = schedules.LinearLR(self.opt, 0.01, total_iters=4)
            run.track(**{f"{self.name}warm_up": self._warm_up})

    def update(self) -> None:
        super().update()
        if self._warm_up is not None:
            self._warm_up.step()


class _Averaged(Parts):
    """A mean of the weights that follows them slowly."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self.mean = AveragedModel(self.net, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)

    @property
    def tracked(self) -> dict[str, Any]:
        return super().tracked | self._named(mean=self.mean)

    def update(self) -> None:
        super().update()
        self.mean.update_parameters(self.net)


class _Wrapped(Parts):
    """Plain in one life, compiled in the next one, and then inside of a `DataParallel`."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self._bare = self.net
        if life % 3 == 1:
            self.net = torch.compile(self._bare, backend="eager")  # type: ignore[assignment]
        if life % 3 == 2:
            self.net = nn.DataParallel(self._bare)

    @property
    def compared(self) -> dict[str, Any]:
        return self.tracked | self._named(net=self._bare)


class _Tied(Parts):
    def make_net(self) -> nn.Module:
        return TiedNet()


class _Half(Parts):
    """Parameters in bf16, moments in fp32."""

    def make_net(self) -> nn.Module:
        return Net().to(torch.bfloat16)

    def make_optimizer(self) -> torch.optim.Optimizer:
        return WideMomentum(self.net.parameters())

    def guess(self, x: Tensor) -> Tensor:
        return super().guess(x.to(torch.bfloat16)).float()


class _Sparse(Parts):
    """A table with sparse gradients beside dense layers, each with an optimizer of its own."""

    def __init__(self, life: int, name: str) -> None:
        super().__init__(life, name)
        self.sparse_opt = torch.optim.SparseAdam([self.net.table.weight], 0.1)  # type: ignore[list-item]

    def make_net(self) -> nn.Module:
        return SparseNet()

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.net.body.parameters(), 0.05)  # type: ignore[union-attr]

    @property
    def tracked(self) -> dict[str, Any]:
        return super().tracked | self._named(sparse_opt=self.sparse_opt)

    def update(self) -> None:
        self.sparse_opt.step()
        self.sparse_opt.zero_grad()
        super().update()


class _Closure(Parts):
    """LBFGS asks for the loss several times in each step, and each time dropout draws anew."""

    def make_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.LBFGS(self.net.parameters(), 0.1, max_iter=3, history_size=4)

    def step(self, x: Tensor, y: Tensor) -> float:
        def closure() -> Tensor:
            self.opt.zero_grad()
            loss = self.loss(x, y)
            loss.backward()
            return loss

        return float(self.opt.step(closure).detach())

    def update(self) -> None:
        """With gradients that were made before, which stay as they are."""
        self.opt.step(lambda: torch.zeros(()))
        self.opt.zero_grad()


PARTS: dict[str, Callable[[int, str], Parts]] = {
    "AdamW": Parts,
    "AMP": _Scaled,
    "OneCycleLR": _OneCycle,
    "ReduceLROnPlateau": _Plateau,
    "SequentialLR": _Sequential,
    "late warm-up": _LateWarmUp,
    "thawed later": _Thawed,
    "averaged": _Averaged,
    "compiled or wrapped": _Wrapped,
    "tied weights": _Tied,
    "bf16 with fp32 moments": _Half,
    "SparseAdam": _Sparse,
    "LBFGS": _Closure,
}
