"""A training with Hugging Face's `Trainer`: one life of it, and all there is to see in the end."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from exactness import picture
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from vm import die

import colab_resume

__all__ = ["Life", "Net", "Rows", "train"]

_ROWS = 44
_TIME = ("runtime", "per_second")


class Rows(Dataset[dict[str, Tensor]]):
    """Rows that look different each time they are read, by all three of the usual generators."""

    def __init__(self, rows: int = _ROWS, *, noise: float = 0.1) -> None:
        self._rows = torch.randn(rows, 6, generator=torch.Generator().manual_seed(1))
        self._noise = noise
        self.reads = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.reads += 1
        row = self._rows[index]
        noise = torch.randn(6) + random.gauss(0, 1) + float(np.random.normal())
        return {"x": row + self._noise * noise, "labels": row.sum()}


class Net(nn.Module):
    """Dropout draws in each step, batch norm keeps buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        found = self.layers(x)[:, 0]
        return {"loss": (found - labels).square().mean(), "logits": found}


class Counting(TrainerCallback):
    """A callback of the user's own, with values that say nothing of themselves."""

    def __init__(self) -> None:
        self.steps = 0
        self.best = float("inf")

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.steps += 1

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        self.best = min(self.best, metrics["eval_loss"])


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: where it works, how it trains, and where it dies if it does. `options` are the Trainer's."""

    store: str
    remote: str
    options: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    death: tuple[str, int] | None = None
    setup: dict[str, Any] = field(default_factory=lambda: {"every": 1})
    patience: int | None = None
    model: Callable[[], nn.Module] = Net
    rows: Callable[[], Any] = Rows
    evaluated: Callable[[], Any] = lambda: Rows(10, noise=0.0)


class _Dying(TrainerCallback):
    """Kills the process at a place of the loop; before that what is saved is brought to safety."""

    def __init__(self, life: Life, run: Any) -> None:
        self._life = life
        self._run = run

    def _at(self, place: str, state: Any) -> None:
        self._run._saving.writer.wait(None)
        if self._life.death == (place, state.global_step):
            self._run.flush()
            die()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("begin", state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("end", state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("epoch", state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("substep", state)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("evaluating", state)


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    torch.set_num_threads(1)
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    run = colab_resume.setup("hf", store=life.store, remote=life.remote, **life.setup)
    counting = Counting()
    rows = life.rows()
    callbacks: list[Any] = [counting, _Dying(life, run)]
    if life.patience is not None:
        callbacks.append(EarlyStoppingCallback(life.patience))
    with tempfile.TemporaryDirectory() as output:
        options = {
            "output_dir": str(Path(output, "out")),
            "per_device_train_batch_size": 4,
            "num_train_epochs": 3,
            "learning_rate": 0.01,
            "warmup_steps": 3,
            "logging_steps": 2,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            "dataloader_pin_memory": False,
            "dataloader_num_workers": life.workers,
            **life.options,
        }
        trainer = Trainer(
            model=life.model(),
            args=TrainingArguments(**options),
            train_dataset=rows,
            eval_dataset=life.evaluated(),
            callbacks=callbacks,
        )
        run.attach(trainer)
        found = trainer.train()
        kept = _kept(trainer)
    reads = rows.reads if isinstance(rows, Rows) else None
    history = [[record.step, record.epoch, repr(dict(record.values))] for record in run.history()]
    run.finish()
    return {
        "version": transformers.__version__,
        "output": [found.global_step, found.training_loss, _timeless(found.metrics)],
        "counting": [counting.steps, counting.best],
        "run": history,
        "reads": reads,
        **kept,
    }


def _kept(trainer: Any) -> dict[str, Any]:
    state = trainer.state
    tensors = [trainer.model.state_dict(), getattr(trainer.optimizer, "state_dict", dict)()]
    return {
        "weights": hashlib.sha256(repr(picture(tensors[0])).encode()).hexdigest(),
        "optimizer": hashlib.sha256(repr(picture(tensors[1])).encode()).hexdigest(),
        "schedule": repr(trainer.lr_scheduler.state_dict()),
        "state": [state.global_step, state.epoch, state.total_flos, state.best_metric, state.best_global_step],
        "best": _files(state.best_model_checkpoint),
        "log": [_timeless(entry) for entry in state.log_history],
        "chance": [torch.rand(2).tolist(), float(np.random.rand()), random.random()],
    }


def _files(folder: str | None) -> dict[str, str]:
    """What can be read of the best model."""
    files = sorted(Path(folder).glob("*.safetensors")) if folder else []
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _timeless(values: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in values.items() if not any(part in name for part in _TIME)}
