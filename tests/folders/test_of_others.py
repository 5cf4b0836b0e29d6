"""Frameworks that write checkpoints of their own go on from them on a new VM, which has them from `run.folder`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folders.of_others import BESIDE, TRAININGS, ignite
from vm import KILLED, die, live

import colab_resume

# Ignite's own, when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

EPOCHS = 6


def _life(training: Callable[..., Any], folder: Path, drive: Path, killed_after: int | None) -> Any:
    run = colab_resume.setup("others", store=folder / "store", remote=drive)
    path = run.folder(folder / "checkpoints")
    trained = []

    def saved(epoch: int) -> None:
        trained.append(epoch)
        if epoch == killed_after:
            run.flush()
        elif killed_after is not None and epoch > killed_after:
            die()  # while the next checkpoint is on its way

    weights = training(path, EPOCHS, saved)
    run.finish()
    return {"weights": weights, "epochs": trained}


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.__name__)
def test_a_training_of_others_goes_on_from_its_own_checkpoint(training: Callable[..., Any], tmp_path: Path) -> None:
    """With the weights of one that was not killed, and without training an epoch again that was safe."""
    if training is not ignite and not BESIDE.is_dir():
        pytest.skip(f"needs {training.__name__} in {BESIDE} (make .venv/.others-ready)")
    _, undisturbed = live(lambda: training(tmp_path / "undisturbed", EPOCHS, lambda epoch: None))
    ends = []
    for vm, killed_after in (("first", 2), ("second", 4), ("third", None)):
        status, found = live(lambda: _life(training, tmp_path / vm, tmp_path / "drive", killed_after))  # noqa: B023
        assert status == (0 if killed_after is None else KILLED)
        ends.append(found)
    assert ends[-1] == {"weights": undisturbed, "epochs": [5, 6]}
