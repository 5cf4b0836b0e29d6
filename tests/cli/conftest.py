"""Small real trainings, made once; tests that damage something get a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import torch
from drivefs.fixtures import needs_fuse, new_drive_fs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import colab_resume
from colab_resume.cli import main

__all__ = ["Answer", "Call", "needs_fuse", "new_drive_fs"]


class Answer:
    """What one call of the command line gave."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status = status
        self.out = out
        self.err = err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Call = Callable[..., Answer]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """The command line, in this process."""

    def run(*words: Any) -> Answer:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Answer(status, *capsys.readouterr())

    return run


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4, bias=False)
        self.outer = nn.Linear(4, 4)
        self.outer.weight = self.inner.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.inner(x))


class Phase(Enum):
    """Something that a state may hold and other tools do not know."""

    WARM = "warm"


def train(name: str, store: Path, remote: Path, epochs: int, tag: str | None = None) -> None:
    """So many epochs of three steps in a session of its own, going on from what is there."""
    torch.manual_seed(0)
    run = colab_resume.setup(name, store=store, remote=remote, every=1000)
    model = Tied()
    opt = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    loader = DataLoader(TensorDataset(torch.randn(12, 4)), 4, shuffle=True)
    run.track(model=model, opt=opt)
    values = run.state(best=float("inf"), phase=Phase.WARM, folder=Path("a/b"), note="grün\n")
    for _ in run.epochs(epochs):
        run.save()
        for (x,) in run.batches(loader):
            opt.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            opt.step()
            run.log(loss=loss)
            run.flush()
            values.best = min(values.best, loss.item())
    if tag is not None:
        run.save(tag)
    run.finish()


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A remote with two runs: `digits`, of two sessions, and one with a name that takes two columns a letter."""
    remote = tmp_path_factory.mktemp("drive")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train("digits", tmp_path_factory.mktemp("vm"), remote, 2, "first half")
    train("digits", tmp_path_factory.mktemp("vm"), remote, 4)
    train("数字 ä", tmp_path_factory.mktemp("vm"), remote, 1)
    torch.set_num_threads(threads)
    return remote


@pytest.fixture
def drive(_trained: Path, tmp_path: Path) -> Path:
    """A copy of the remote, to do anything to."""
    return Path(shutil.copytree(_trained, tmp_path / "drive"))


@pytest.fixture
def digits(drive: Path) -> Path:
    """The folder of the run with several checkpoints."""
    return drive / "digits"
