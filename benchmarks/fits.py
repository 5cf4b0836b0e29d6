"""Trainings whose loop a framework owns, with and without a run beside it, timed step by step."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch

import colab_resume

from .ways import LeftOut

__all__ = ["FITS", "Clock", "Fit", "Passes", "trainer_of"]


class Passes(NamedTuple):
    """When forward began in a step, and when backward had made the last gradient; seconds."""

    begin: float
    end: float


Fit = Callable[[torch.nn.Module, torch.Tensor, int, Path, "colab_resume.Run | None"], Sequence[Passes]]
"""Train this model on batches of these rows for so many steps, in this folder, and with this run if there is one; the
passes of each step."""

_LOGGED = 10
"""A number is logged every so many steps; transformers' default is 500."""


class Clock:
    """Notes the passes of a training."""

    def __init__(self) -> None:
        self.passes: list[Passes] = []
        self._begin = 0.0

    def begin(self) -> None:
        """Forward begins."""
        self._begin = time.perf_counter()

    @contextmanager
    def ends_at(self, last: torch.Tensor) -> Iterator[None]:
        """This is the parameter whose gradient is made last."""
        handle = last.register_post_accumulate_grad_hook(self.end)
        try:
            yield
        finally:
            handle.remove()

    def end(self, _: object = None) -> None:
        """The last gradient is there."""
        self.passes.append(Passes(self._begin, time.perf_counter()))


class _Rows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """The same rows in each step, handed out whole: what it takes to gather a batch is not what is measured."""

    def __init__(self, rows: torch.Tensor, steps: int) -> None:
        self._rows = rows
        self._steps = steps

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"rows": self._rows}


class _Loss(torch.nn.Module):
    """The model as the Trainer wants it."""

    def __init__(self, model: torch.nn.Module, begin: Callable[[], None]) -> None:
        super().__init__()
        self.model = model
        self._begin = begin

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        self._begin()
        return {"loss": self.model(rows[0]).square().mean()}


def trainer_of(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, folder: Path, *, begin: Callable[[], None] = lambda: None
) -> Any:
    """A quiet Trainer; `begin` is called when forward begins."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from transformers import PrinterCallback, Trainer, TrainingArguments
    except ImportError as error:
        raise LeftOut(str(error)) from error
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=1,
        num_train_epochs=1,
        logging_steps=_LOGGED,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(model=_Loss(model, begin), args=arguments, train_dataset=_Rows(rows, steps))
    trainer.remove_callback(PrinterCallback)
    return trainer


def _transformers(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, folder: Path, run: colab_resume.Run | None
) -> Sequence[Passes]:
    """By the `Trainer`, which logs every ten steps."""
    clock = Clock()
    trainer = trainer_of(model, rows, steps, folder, begin=clock.begin)
    with redirect_stdout(StringIO()), clock.ends_at(next(model.parameters())):
        (run.attach(trainer) if run else trainer).train()
    return clock.passes


def _lightning(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, folder: Path, run: colab_resume.Run | None
) -> Sequence[Passes]:
    """By Lightning's `Trainer`, which logs every ten steps."""
    try:
        import lightning.pytorch as pl
    except ImportError as error:
        raise LeftOut(str(error)) from error
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Timed(pl.LightningModule):
        """Says when forward begins."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
            clock.begin()
            loss: torch.Tensor = self.model(batch["rows"][0]).square().mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=1e-4)

    clock = Clock()
    loader: torch.utils.data.DataLoader[Any] = torch.utils.data.DataLoader(_Rows(rows, steps))
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    with warnings.catch_warnings(), clock.ends_at(next(model.parameters())):
        warnings.simplefilter("ignore")  # that the loader has no workers
        trainer = pl.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, log_every_n_steps=_LOGGED, default_root_dir=folder, **quiet
        )
        (run.attach(trainer) if run else trainer).fit(Timed(), loader)
    return clock.passes


FITS = {"transformers Trainer": _transformers, "Lightning Trainer": _lightning}
