"""A loop of the user's own with Accelerate: one life of it, and all there is to see in the end."""

from __future__ import annotations

import random
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import set_seed
from exactness import picture
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
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
    accumulate: int = 4
    seedable: bool = False


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


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    run, accelerator, loader, rows = _made(life)
    model: Any = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizer: Any = torch.optim.AdamW(model.parameters(), 0.01)
    schedule: Any = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=200)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    run.track(model=model, optimizer=optimizer, schedule=schedule)
    for _ in run.epochs(3):
        for x, y in run.batches(loader):
            with accelerator.accumulate(model):
                loss = (model(x)[:, 0] - y).square().mean()
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            run.log(loss=loss)
            run._saving.writer.wait(None)
            if run.status().step == life.death:
                run.flush()
                die()
    history = [[record.step, repr(dict(record.values))] for record in run.history()]
    chance = [torch.rand(2).tolist(), float(np.random.rand()), random.random()]
    run.finish()
    states = [repr(picture(thing.state_dict())) for thing in (model, optimizer, schedule)]
    taken = int(next(iter(optimizer.state.values()))["step"])
    return {"end": [*states, history, chance], "reads": rows.reads, "steps taken": taken}


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
    set_seed(3)
    run = colab_resume.setup("accelerate", store=life.store, remote=life.remote, every=1)
    sampling = DataLoaderConfiguration(use_seedable_sampler=life.seedable)
    accelerator: Any = Accelerator(cpu=True, gradient_accumulation_steps=life.accumulate, dataloader_config=sampling)
    rows = _Rows()
    loader: Any = accelerator.prepare(DataLoader(rows, 4, shuffle=True, num_workers=life.workers))
    return run, accelerator, loader, rows
