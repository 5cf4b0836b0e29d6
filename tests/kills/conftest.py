"""The warm process, and the training that nobody killed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from kills.training import STEPS, Result
from kills.zygote import Life, Zygote

__all__ = ["Reference"]


@dataclass(frozen=True)
class Reference:
    """How the training goes when nothing happens; `steps` is the file with the state after each step."""

    steps: Path
    result: Result


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    """A folder in memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="kills-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(memory: Path) -> Iterator[Path]:
    """Emptied after each test, because memory is short."""
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The results of several threads depend on their number, and two small ones only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One warm process for all lives."""
    warm = Zygote()
    yield warm
    warm.close()


@pytest.fixture(scope="session")
def reference(zygote: Zygote, memory: Path) -> Reference:
    """A training that nobody killed, and that saved nothing on its way."""
    folder = memory / "reference"
    end = zygote.live(Life(store=str(folder / "store"), every=10**6))
    assert end.result is not None, end.text
    assert len(end.result.steps) == len(end.result.history) == STEPS
    (folder / "steps.json").write_text(json.dumps(end.result.steps))
    return Reference(folder / "steps.json", end.result)
