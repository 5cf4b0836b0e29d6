"""A training with Hugging Face's `Trainer`: one life of it, and all there is to see in the end."""

from __future__ import annotations

import gc
import hashlib
import os
import random
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from exactness import picture
from frameworks.event_files import points
from frameworks.transformers_trainer.parts import Counting, Net, Rows
from frameworks.wandb_files import told
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import TrainOutput
from vm import die

import colab_resume

__all__ = ["Life", "arguments", "ended", "made", "train", "trainer_of"]

_TIME = ("runtime", "per_second")


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: where it works, how it trains, and where it dies if it does. `options` are the Trainer's."""

    store: str
    remote: str
    options: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    death: tuple[str, int] | None = None
    every: int = 1
    model: Callable[[], nn.Module] = Net
    rows: Callable[[], Any] = Rows
    collate: Callable[[Any], Any] | None = None
    callbacks: Callable[[], Sequence[TrainerCallback]] = list
    kind: type[Trainer] = Trainer


class _Dying(TrainerCallback):
    """Kills the process at a place of the loop; before that what is saved is brought to safety."""

    def __init__(self, run: colab_resume.Run, death: tuple[str, int] | None) -> None:
        self._run = run
        self._death = death

    def _at(self, place: str, state: Any) -> None:
        self._run._saving.writer.wait(None)
        if self._death == (place, state.global_step):
            self._run.flush()
            die()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("begin", state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("substep", state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("end", state)

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("evaluating", state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("epoch", state)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._at("over", state)


def arguments(output: str, **options: Any) -> TrainingArguments:
    """Three epochs of eleven steps, on the CPU, and nothing printed but what is logged."""
    usual = {
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
    }
    return TrainingArguments(output_dir=output, **{**usual, **options})


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    with made(life) as (run, trainer):
        found = trainer.train()
        return ended(run, trainer, found)


@contextmanager
def made(life: Life) -> Iterator[tuple[colab_resume.Run, Trainer]]:
    """A notebook up to its last cell."""
    socket.gethostname = lambda: Path(life.store).name  # the Trainer's folder of event files is named by it
    torch.set_num_threads(1)
    gc.freeze()  # the Trainer collects garbage when it begins: here all of what a test process has imported
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    run = colab_resume.setup("hf", store=life.store, remote=life.remote, every=life.every)
    with tempfile.TemporaryDirectory() as output:
        os.environ["WANDB_DIR"] = output
        yield run, trainer_of(life, run, output)


def trainer_of(life: Life, run: colab_resume.Run, output: str) -> Trainer:
    """A new one, attached."""
    trainer = life.kind(
        model=life.model(),
        args=arguments(output, dataloader_num_workers=life.workers, **life.options),
        data_collator=life.collate,
        train_dataset=life.rows(),
        eval_dataset=Rows(10, noise=0.0),
        callbacks=[Counting(), *life.callbacks(), _Dying(run, life.death)],
    )
    return run.attach(trainer)


def ended(run: colab_resume.Run, trainer: Trainer, found: TrainOutput) -> Any:
    """All there is to see of a training that is over."""
    kept = _kept(trainer)
    history = [[record.step, record.epoch, repr(dict(record.values))] for record in run.history()]
    run.finish()
    end = {"output": [found.global_step, found.training_loss, _timeless(found.metrics)], "run": history, **kept}
    boards = sorted({file.parent.name for file in Path(trainer.args.output_dir).rglob("*tfevents*")})
    return {"end": end, "reads": getattr(trainer.train_dataset, "reads", None), "boards": boards}


def _kept(trainer: Trainer) -> dict[str, Any]:
    state = trainer.state
    counting = next(one for one in trainer.callback_handler.callbacks if isinstance(one, Counting))
    optimizer = trainer.optimizer.optimizer.state_dict() if trainer.optimizer else {}
    return {
        "counting": [counting.steps, counting.best],
        "weights": _digest(trainer.model.state_dict()),
        "optimizer": _digest(optimizer),
        "schedule": repr(trainer.lr_scheduler.state_dict()),
        "state": [state.global_step, state.epoch, state.total_flos, state.best_metric, state.best_global_step],
        "best": _files(state.best_model_checkpoint),
        "board": _board(Path(trainer.args.output_dir)),
        "wandb": told(Path(os.environ["WANDB_DIR"])) if "wandb" in trainer.args.report_to else [],
        "log": [_timeless(entry) for entry in state.log_history],
        "chance": [torch.rand(2).tolist(), float(np.random.rand()), random.random()],
    }


def _digest(state: Any) -> str:
    return hashlib.sha256(repr(picture(state)).encode()).hexdigest()


def _files(folder: str | None) -> dict[str, str]:
    """What can be read of the best model."""
    files = sorted(Path(folder).glob("*.safetensors")) if folder else []
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _board(folder: Path) -> dict[str, Any]:
    """What TensorBoard shows, in a folder that is named by the date; of the arguments only how often they are told."""
    shown = {name.partition(" ")[2]: values for name, values in points(folder).items()}
    timeless = {tag: values for tag, values in shown.items() if not any(part in tag for part in _TIME)}
    return {tag: len(values) if tag.startswith("args") else values for tag, values in timeless.items()}


def _timeless(values: dict[str, Any]) -> dict[str, str]:
    return {name: repr(value) for name, value in values.items() if not any(part in name for part in _TIME)}
