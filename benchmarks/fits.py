"""Trainings whose loop a framework owns, with and without a run beside it, timed step by step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import torch

import colab_resume

from .ways import LeftOut

__all__ = ["FITS", "Fit", "Moment", "trainer_of"]


class Moment(NamedTuple):
    """Seconds by the clock, and seconds for which the threads of this process had a core."""

    clock: float
    cpu: float

    @classmethod
    def now(cls) -> Moment:
        """This one."""
        return cls(time.perf_counter(), time.process_time())


Fit = Callable[[torch.nn.Module, torch.Tensor, int, Path, "colab_resume.Run | None"], Sequence[Moment]]
"""Train this model on batches of these rows for so many steps, in this folder, and with this run if there is one; a
moment of each step."""

_LOGGED = 10
"""A number is logged every so many steps; transformers' default is 500, and Keras has none."""


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

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.model(rows[0]).square().mean()}


def trainer_of(model: torch.nn.Module, rows: torch.Tensor, steps: int, folder: Path) -> Any:
    """A quiet Trainer, and the list in which it notes a moment of each step."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
    except ImportError as error:
        raise LeftOut(str(error)) from error

    class Clock(TrainerCallback):
        """Notes when steps begin."""

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            began.append(Moment.now())

    began: list[Moment] = []
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
    trainer = Trainer(model=_Loss(model), args=arguments, train_dataset=_Rows(rows, steps), callbacks=[Clock()])
    trainer.remove_callback(PrinterCallback)
    return trainer, began


def _transformers(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, folder: Path, run: colab_resume.Run | None
) -> Sequence[Moment]:
    """By the `Trainer`, which logs every ten steps."""
    trainer, began = trainer_of(model, rows, steps, folder)
    with redirect_stdout(StringIO()):
        (run.attach(trainer) if run else trainer).train()
    return began


def _keras(
    model: torch.nn.Module, rows: torch.Tensor, steps: int, _folder: Path, run: colab_resume.Run | None
) -> Sequence[Moment]:
    """By Keras's `fit` on torch. Its numbers are read in each step, as its bar does it that everybody sees."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        raise LeftOut(str(error)) from error
    if keras.backend.backend() != "torch":
        raise LeftOut(f"Keras runs on {keras.backend.backend()}, not on torch")
    began: list[Moment] = []
    clock = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: began.append(Moment.now()))
    widths = [layer.out_features for layer in model if isinstance(layer, torch.nn.Linear)]
    made = keras.Sequential([keras.Input(rows.shape[1:]), *(keras.layers.Dense(w, "relu") for w in widths)])
    made.compile("adam", "mse")

    class Batches(keras.utils.PyDataset):
        """The same rows in each step, handed out whole."""

        def __len__(self) -> int:
            return steps

        def __getitem__(self, index: int) -> Any:
            return rows, rows

    with redirect_stdout(StringIO()):
        (run.attach(made) if run else made).fit(Batches(), epochs=1, verbose=0, shuffle=False, callbacks=[clock])
    return began


FITS = {"transformers Trainer": _transformers, "Keras fit, on torch": _keras}
