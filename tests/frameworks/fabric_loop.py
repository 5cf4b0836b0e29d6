"""A loop of the user's own with Lightning Fabric: one life of it, and all there is to see in the end."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from exactness import picture
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from vm import die

import colab_resume

__all__ = ["Life", "outside_of_epochs", "train"]


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: where it works, how it trains, and in which step it dies if it does."""

    store: str
    remote: str
    death: int | None = None
    workers: int = 0
    precision: str = "bf16-mixed"
    own_order: bool = False


class _Rows(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self) -> None:
        self._rows = torch.randn(44, 6, generator=torch.Generator().manual_seed(1))
        self.reads = 0

    def __len__(self) -> int:
        return 44

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.reads += 1
        noise = torch.randn(6) + random.gauss(0, 1) + float(np.random.normal())
        return self._rows[index] + 0.1 * noise, self._rows[index].sum()


class _ByEpoch(Sampler[int]):
    """Its order hangs on the number of the epoch that it is told."""

    def __init__(self) -> None:
        self.epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 44

    def __iter__(self) -> Iterator[int]:
        return iter(torch.randperm(44, generator=torch.Generator().manual_seed(self.epoch)).tolist())


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    run, fabric, loader, rows = _made(life)
    model: Any = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizer: Any = torch.optim.AdamW(model.parameters(), 0.01)
    model, optimizer = fabric.setup(model, optimizer)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=200)
    run.track(model=model, optimizer=optimizer, schedule=schedule)
    for _ in run.epochs(3):
        for x, y in run.batches(loader):
            optimizer.zero_grad()
            loss = (model(x)[:, 0] - y).square().mean()
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            run.log(loss=loss)
            run._saving.writer.wait(None)
            if run.status().step == life.death:
                run.flush()
                die()
    history = [[record.step, repr(dict(record.values))] for record in run.history()]
    chance = [torch.rand(2).tolist(), float(np.random.rand()), random.random()]
    run.finish()
    states = [repr(picture(thing.state_dict())) for thing in (model, optimizer, schedule)]
    told = getattr(loader.sampler, "epoch", None)
    return {"end": [*states, history, chance], "reads": rows.reads, "told": told}


def outside_of_epochs(life: Life) -> str:
    """Why the passes of a sampler that is told the epoch must be inside of `run.epochs`."""
    run, _, loader, _ = _made(life)
    try:
        next(iter(run.batches(loader)))
    except ValueError as error:
        return str(error)
    return "drawn"


def _made(life: Life) -> tuple[colab_resume.Run, Any, Any, _Rows]:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    run = colab_resume.setup("fabric", store=life.store, remote=life.remote, every=1)
    fabric: Any = Fabric(accelerator="cpu", devices=1, precision=life.precision)  # type: ignore[arg-type]
    rows = _Rows()
    order: Any = {"sampler": _ByEpoch()} if life.own_order else {"shuffle": True}
    loader: Any = fabric.setup_dataloaders(DataLoader(rows, 4, num_workers=life.workers, **order))
    return run, fabric, loader, rows
