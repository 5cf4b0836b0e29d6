"""A training with Lightning's `Trainer`: one life of it, and all there is to see in the end."""

from __future__ import annotations

import gc
import hashlib
import logging
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from exactness import picture
from frameworks.lightning_trainer.parts import Counting, Net, Rows
from lightning.pytorch.callbacks import EarlyStopping
from torch.utils.data import DataLoader
from vm import die

import colab_resume

__all__ = ["Life", "ended", "fit", "made", "train", "trainer_of"]

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: where it works, how it trains, and where it dies if it does. `options` are the Trainer's; `loading`
    those of its loader."""

    store: str
    remote: str
    options: dict[str, Any] = field(default_factory=dict)
    loading: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    death: tuple[str, int] | None = None
    every: int = 1
    model: Callable[[], pl.LightningModule] = Net
    rows: Callable[[], Any] = Rows
    data: Callable[[], pl.LightningDataModule] | None = None
    callbacks: Callable[[str], Sequence[pl.Callback]] = lambda _: ()


class _Dying(pl.Callback):
    """Kills the process at a place of the loop; before that what is saved is brought to safety."""

    def __init__(self, run: colab_resume.Run, death: tuple[str, int] | None) -> None:
        self._run = run
        self._death = death

    def _at(self, place: str, trainer: Any) -> None:
        self._run._saving.writer.wait(None)
        if self._death == (place, trainer.fit_loop.total_batch_idx + 1) and not trainer.sanity_checking:
            self._run.flush()
            die()

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        self._at("begin", trainer)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self._at("end", trainer)

    def on_validation_batch_end(self, trainer: Any, *_: Any) -> None:
        self._at("validating", trainer)

    def on_train_epoch_end(self, trainer: Any, *_: Any) -> None:
        self._at("epoch", trainer)

    def on_train_epoch_start(self, trainer: Any, *_: Any) -> None:
        self._at("epoch begins", trainer)

    def on_train_end(self, trainer: Any, *_: Any) -> None:
        self._at("over", trainer)


def train(life: Life) -> Any:
    """Live this life, and give back what is compared."""
    with made(life) as (run, trainer):
        fit(life, trainer)
        return ended(run, trainer)


@contextmanager
def made(life: Life) -> Iterator[tuple[colab_resume.Run, pl.Trainer]]:
    """A notebook up to its last cell."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    gc.freeze()
    torch.manual_seed(3)
    np.random.seed(4)
    random.seed(5)
    run = colab_resume.setup("pl", store=life.store, remote=life.remote, every=life.every)
    with tempfile.TemporaryDirectory(dir=Path(life.remote).parent) as output:
        yield run, trainer_of(life, run, output)


def trainer_of(life: Life, run: colab_resume.Run, output: str) -> pl.Trainer:
    """A new one, attached; three epochs of eleven steps."""
    usual = {
        "max_epochs": 3,
        "log_every_n_steps": 2,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
        "accelerator": "cpu",
    }
    trainer = pl.Trainer(
        default_root_dir=output,
        callbacks=[Counting(), *life.callbacks(output), _Dying(run, life.death)],
        **{**usual, **life.options},
    )
    return run.attach(trainer)


def fit(life: Life, trainer: pl.Trainer) -> None:
    """Train."""
    if life.data is not None:
        trainer.fit(life.model(), datamodule=life.data())
        return
    rows = life.rows()
    shuffled = {"shuffle": True} if hasattr(rows, "__len__") else {}
    loader = DataLoader(rows, 4, num_workers=life.workers, **{**shuffled, **life.loading})
    validation = DataLoader(Rows(10, noise=0.0), 4, num_workers=life.workers, **life.loading)
    trainer.fit(life.model(), loader, validation)


def ended(run: colab_resume.Run, trainer: pl.Trainer) -> Any:
    """All there is to see of a training that is over."""
    kept = _kept(trainer)
    history = [[record.step, record.epoch, repr(dict(record.values))] for record in run.history()]
    run.finish()
    rows = getattr(trainer.train_dataloader, "dataset", None)
    return {"end": {"history": history, **kept}, "reads": getattr(rows, "reads", None)}


def _kept(trainer: pl.Trainer) -> dict[str, Any]:
    module = trainer.lightning_module
    callbacks = trainer.callbacks
    return {
        "weights": _digest(module.state_dict()),
        "optimizers": [_digest(optimizer.state_dict()) for optimizer in trainer.optimizers],
        "schedules": [repr(config.scheduler.state_dict()) for config in trainer.lr_scheduler_configs],
        "progress": repr(_progress(trainer)),
        "stop": trainer.should_stop,
        "metrics": repr({name: float(value) for name, value in trainer.callback_metrics.items()}),
        "of the model": [module.steps_seen, module.epochs_seen, module.error._update_count],
        "callbacks": [repr(vars(one)) for one in callbacks if isinstance(one, Counting)],
        "told": [repr(one.state_dict()) for one in callbacks if isinstance(one, EarlyStopping)],
        "averaged": [_digest(one.averaged.state_dict()) for one in callbacks if hasattr(one, "averaged")],
        "data": trainer.datamodule and trainer.datamodule.state_dict(),
        "files": [_files(one) for one in trainer.checkpoint_callbacks],
        "chance": [torch.rand(2).tolist(), float(np.random.rand()), random.random()],
    }


def _progress(trainer: pl.Trainer) -> dict[str, Any]:
    state = trainer.fit_loop.state_dict()
    state.pop("state_dict")
    return {name: value for name, value in state.items() if not name.startswith("epoch_loop.val_loop._results")}


def _digest(state: Any) -> str:
    return hashlib.sha256(repr(picture(state)).encode()).hexdigest()


def _files(callback: Any) -> Any:
    """What it knows, and what it has written, wherever that is."""
    folder = Path(callback.dirpath)
    told = {name: value for name, value in callback.state_dict().items() if name != "dirpath"}
    told["best_k_models"] = sorted((path, float(score)) for path, score in told["best_k_models"].items())
    files = {str(file.relative_to(folder)): _weights(file) for file in sorted(folder.rglob("*.ckpt"))}
    return repr(told).replace(str(folder), "."), {n: d for n, d in files.items() if not n.startswith("lost steps")}


def _weights(file: Path) -> str:
    content = torch.load(file, weights_only=False)
    return _digest([content["state_dict"], content["optimizer_states"], content["global_step"]])
