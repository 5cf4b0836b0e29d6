"""What is trained on, and what is trained: tiny, and full of chance."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import lightning.pytorch as pl
import torch
from frameworks.rows import NoisyRows
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, random_split
from torchmetrics import MeanSquaredError

__all__ = ["Averaging", "ByHand", "Counting", "Data", "Net", "OnABackbone", "Remembering", "Rows", "Stream"]


class Rows(NoisyRows, Dataset[tuple[Tensor, Tensor]]):
    """One by one."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.read(index)


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    """The same without a length, in an order that chance decides."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        rows = Rows()
        return (rows[index] for index in torch.randperm(len(rows)).tolist())


class Net(pl.LightningModule):
    """Dropout draws in each step, batch norm keeps buffers; what is logged is summed up in three ways."""

    def __init__(self, *, plateau: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
        self.error = MeanSquaredError()
        self.steps_seen = 0
        self.epochs_seen: list[int] = []
        self._plateau = plateau

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)[:, 0]
        return found

    def on_train_epoch_start(self) -> None:
        self.epochs_seen.append(self.current_epoch)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        found = self(x)
        loss = (found - y).square().mean()
        self.steps_seen += 1
        self.error(found, y)
        self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("highest", loss, on_step=False, on_epoch=True, reduce_fx=max)
        self.log("error", self.error, on_step=False, on_epoch=True)
        if batch_idx == 0:
            self.log("first", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", (self(x) - y).square().mean())

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        if self._plateau:
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=200)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class OnABackbone(Net):
    """Its first layers are trained later, in a group of their own."""

    @property
    def backbone(self) -> nn.Module:
        return self.layers[:2]

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW([one for one in self.parameters() if one.requires_grad], lr=0.01)


class ByHand(Net):
    """Two optimizers that step in turn, each after two batches."""

    automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        loss = (self(x) - y).square().mean()
        self.log("loss", loss, on_step=True, on_epoch=True)
        optimizer = self.optimizers()[batch_idx // 2 % 2]
        self.manual_backward(loss / 2)
        if batch_idx % 2:
            optimizer.step()
            self.zero_grad()

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.layers[0].parameters(), 0.01), torch.optim.SGD(self.layers[4].parameters(), 0.01)


class Remembering(Net):
    """Keeps what is no plain value, in the way that Lightning has for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: deque[float] = deque(maxlen=3)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.seen.append(float(loss))
        return loss * (1 + sum(self.seen) / 100)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        assert "layers.0.weight" in checkpoint["state_dict"]
        checkpoint["seen"] = list(self.seen)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.seen.extend(checkpoint["seen"])


class Data(pl.LightningDataModule):
    """Splits its rows by chance, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def setup(self, stage: str) -> None:
        self._parts = random_split(Rows(), [36, 8])

    def train_dataloader(self) -> Any:
        self.asked += 1
        return DataLoader(self._parts[0], 4, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self._parts[1], 4)

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.asked = state_dict["asked"]


class Counting(pl.Callback):
    """A callback of the user's own, with values that it says nothing of."""

    def __init__(self) -> None:
        self.steps = 0
        self.best = float("inf")

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.steps += 1

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self.best = min(self.best, float(trainer.callback_metrics["val_loss"]))


class Averaging(pl.Callback):
    """Averaged weights that a callback of the user's own holds; made when the training begins."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.averaged = torch.optim.swa_utils.AveragedModel(pl_module.layers)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        self.averaged.update_parameters(pl_module.layers)
