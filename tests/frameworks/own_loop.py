"""What loops of the user's own have in common, whichever library's wrappers stand around their parts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from exactness import picture
from frameworks.rows import NoisyRows
from torch import Tensor, nn
from torch.utils.data import Dataset
from vm import die

import colab_resume

__all__ = ["Pairs", "end_of", "net", "refusal", "step_done"]


class Pairs(NoisyRows, Dataset[tuple[Tensor, Tensor]]):
    """One by one."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.read(index)


def net() -> Any:
    """Dropout draws in each step, batch norm keeps buffers."""
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def step_done(run: colab_resume.Run, death: int | None) -> None:
    """Die here if this is the place; before that what is saved is brought to safety."""
    run._saving.writer.wait(None)
    if run.status().step == death:
        run.flush()
        die()


def end_of(run: colab_resume.Run, *objects: Any) -> list[Any]:
    """All there is to see in the end; the run is finished."""
    history = [[record.step, repr(dict(record.values))] for record in run.history()]
    chance = [torch.rand(2).tolist(), float(np.random.rand()), random.random()]
    run.finish()
    return [*(repr(picture(thing.state_dict())) for thing in objects), history, chance]


def refusal(run: colab_resume.Run, loader: Any) -> str:
    """Why no batch is drawn."""
    try:
        next(iter(run.batches(loader)))
    except ValueError as error:
        return str(error)
    return "drawn"
