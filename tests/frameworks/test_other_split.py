"""Data that come out otherwise in another life are told where a library owns the loop, too, before its first step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from vm import KILLED, die, live
from warned import warned

import colab_resume

__all__: list[str] = []

TOLD = "the data are not what they were when the loop began first"
POINTS = torch.arange(192.0).reshape(64, 3) / 192.0
CLASSES = torch.arange(64) % 2

Step = Callable[[], None]


def transformers(run: Any, indices: list[int], step: Step) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            logits = self.layer(x)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    class Steps(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            step()

    rows = [{"x": POINTS[index], "labels": CLASSES[index]} for index in indices]
    options = {"num_train_epochs": 2, "per_device_train_batch_size": 8, "report_to": [], "use_cpu": True}
    arguments = TrainingArguments("out", save_strategy="no", disable_tqdm=True, **options)
    trainer = Trainer(Net(), arguments, train_dataset=rows, callbacks=[Steps()])
    run.attach(trainer)
    trainer.train()


def lightning(run: Any, indices: list[int], step: Step) -> None:
    import lightning.pytorch as pl

    class Net(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            step()
            return nn.functional.cross_entropy(self.layer(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.1)

    quiet: Any = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", enable_checkpointing=False, **quiet)
    run.attach(trainer)
    trainer.fit(Net(), DataLoader(TensorDataset(POINTS[indices], CLASSES[indices]), 8, shuffle=True))


def keras(run: Any, indices: list[int], step: Step) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    class Steps(keras.callbacks.Callback):
        def on_train_batch_begin(self, *_: Any, **__: Any) -> None:
            step()

    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    run.attach(model)
    points = POINTS[indices].numpy()
    model.fit(points, points[:, :2], batch_size=8, epochs=2, verbose=0, callbacks=[Steps()])


def life(folder: Path, fit: Callable[..., None], indices: list[int], *, stop: int, labels: list[str]) -> list[str]:
    """What is warned of. `labels` is a variable of the user's code."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    with warned() as said:
        run = colab_resume.setup("split", store=folder / "store", every=1)

        def step() -> None:
            run._saving.writer.wait(None)
            if run.status().step == stop:
                die()

        fit(run, indices, step)
        run.finish()
        assert len(labels) == len(LABELS)
        return said


LABELS = [f"label {number * number}" for number in range(40)]
FITS = pytest.mark.parametrize("fit", [transformers, lightning, keras], ids=lambda fit: fit.__name__)
WARN = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@WARN
@FITS
@pytest.mark.parametrize(("last", "times"), [(range(32), 0), (range(32, 64), 1)], ids=["the same", "another"])
def test_another_split_is_told(fit: Callable[..., None], last: range, times: int, tmp_path: Path) -> None:
    """Where the restart leads to the end of an epoch, so that no batch could tell."""
    first = list(range(32))
    assert live(lambda: life(tmp_path, fit, first, stop=4, labels=LABELS))[0] == KILLED
    status, said = live(lambda: life(tmp_path, fit, list(last), stop=-1, labels=LABELS))
    assert (status, sum(TOLD in line for line in said)) == (0, times)


@WARN
@FITS
def test_labels_that_stand_in_another_order_are_told(fit: Callable[..., None], tmp_path: Path) -> None:
    """In the order of a set before the first step, in any other after the restart."""
    first = list(range(32))
    status, said = live(lambda: life(tmp_path / "one", fit, first, stop=-1, labels=list(set(LABELS))))
    assert status == 0
    assert sum("labels: in the order in which a `set` gives its texts" in line for line in said) == 1
    assert live(lambda: life(tmp_path / "two", fit, first, stop=4, labels=LABELS))[0] == KILLED
    status, said = live(lambda: life(tmp_path / "two", fit, first, stop=-1, labels=LABELS[::-1]))
    assert status == 0
    assert sum("labels: the same texts in another order" in line for line in said) == 1
