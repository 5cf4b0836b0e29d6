"""A loop of the user's own with Accelerate: one life of it, and all there is to see in the end."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from accelerate.utils import set_seed
from frameworks.own_loop import Pairs, end_of, net, refusal, step_done
from torch.utils.data import DataLoader

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


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    run, accelerator, loader, rows = _made(life)
    model = net()
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
            step_done(run, life.death)
    taken = int(next(iter(optimizer.state.values()))["step"])
    return {"end": end_of(run, model, optimizer, schedule), "reads": rows.reads, "steps taken": taken}


def outside_of_epochs(life: Life) -> str:
    """Why the passes of a sampler that is told the epoch must be inside of `run.epochs`."""
    run, _, loader, _ = _made(life)
    return refusal(run, loader)


def _made(life: Life) -> tuple[colab_resume.Run, Any, Any, Pairs]:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    set_seed(3)
    run = colab_resume.setup("accelerate", store=life.store, remote=life.remote, every=1)
    sampling = DataLoaderConfiguration(use_seedable_sampler=life.seedable)
    accelerator: Any = Accelerator(cpu=True, gradient_accumulation_steps=life.accumulate, dataloader_config=sampling)
    rows = Pairs()
    loader: Any = accelerator.prepare(DataLoader(rows, 4, shuffle=True, num_workers=life.workers))
    return run, accelerator, loader, rows
