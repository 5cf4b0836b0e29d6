"""Trainings that are killed in processes of their own, forked from one that has the library imported."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from vm import KILLED, live

__all__ = ["Story"]


class Story:
    """One training, told from its first life to its last, each on a VM of its own; only the remote lives on."""

    def __init__(self, training: ModuleType, folder: Path) -> None:
        self._training = training
        self._folder = folder
        self._lives = 0

    def tell(self, deaths: Sequence[tuple[str, int]], workers: Sequence[int] = (0,), **options: Any) -> Any:
        """What the last life ends with, after others that died there; they have these workers in turn."""
        remote = str(self._folder / f"drive{self._lives}")
        for number, death in enumerate([*deaths, None]):
            self._lives += 1
            life = self._training.Life(
                store=str(self._folder / f"disk{self._lives}"),
                remote=remote,
                death=death,
                workers=workers[number % len(workers)],
                **options,
            )
            status, found = live(lambda life=life: self._training.train(life))
            assert status == (KILLED if death else 0), (death, status)
        return found


@pytest.fixture(scope="session")
def training() -> ModuleType:
    """Imported here, and not by whoever only collects tests: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from frameworks.transformers_trainer import training
    return training


@pytest.fixture
def story(training: ModuleType) -> Iterator[Story]:
    """Told in memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hf-", dir=shared if shared.is_dir() else None) as folder:
        yield Story(training, Path(folder))
