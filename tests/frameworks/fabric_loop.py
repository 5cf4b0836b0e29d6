"""A loop of the user's own with Lightning Fabric: one life of it, and all there is to see in the end."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from frameworks.own_loop import Pairs, end_of, net, refusal, step_done
from lightning.fabric import Fabric
from torch.utils.data import DataLoader, Sampler

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
    model = net()
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
            step_done(run, life.death)
    told = getattr(loader.sampler, "epoch", None)
    return {"end": end_of(run, model, optimizer, schedule), "reads": rows.reads, "told": told}


def outside_of_epochs(life: Life) -> str:
    """Why the passes of a sampler that is told the epoch must be inside of `run.epochs`."""
    run, _, loader, _ = _made(life)
    return refusal(run, loader)


def _made(life: Life) -> tuple[colab_resume.Run, Any, Any, Pairs]:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    run = colab_resume.setup("fabric", store=life.store, remote=life.remote, every=1)
    fabric: Any = Fabric(accelerator="cpu", devices=1, precision=life.precision)  # type: ignore[arg-type]
    rows = Pairs()
    order: Any = {"sampler": _ByEpoch()} if life.own_order else {"shuffle": True}
    loader: Any = fabric.setup_dataloaders(DataLoader(rows, 4, num_workers=life.workers, **order))
    return run, fabric, loader, rows
