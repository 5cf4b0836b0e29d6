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

Death = tuple[str, int]


class Story:
    """One training, told from its first life to its last, each on a VM of its own; only the remote lives on."""

    def __init__(self, training: ModuleType, folder: Path) -> None:
        self._training = training
        self._folder = folder
        self._trainings = self._lives = 0

    def tell(self, deaths: Sequence[Death], workers: Sequence[int] = (0,), *, last: bool = True, **options: Any) -> Any:
        """What the last life ends with, after others that died there; they have these workers in turn."""
        self._trainings += 1
        found = None
        for number, death in enumerate([*deaths, None] if last else deaths):
            life = self.life(death=death, workers=workers[number % len(workers)], **options)
            status, found = live(lambda life=life: self._training.train(life))
            assert status == (KILLED if death else 0), (death, status)
        return found

    def go_on(self, **options: Any) -> Any:
        """What one more life of this training ends with."""
        life = self.life(**options)
        status, found = live(lambda: self._training.train(life))
        assert status == 0
        return found

    def refusal(self, **options: Any) -> str:
        """Why one more life of this training does not begin."""
        from frameworks.transformers_trainer import cells

        life = self.life(**options)
        status, said = live(lambda: cells.refused(life))
        assert status == 0
        return str(said)

    def life(self, **options: Any) -> Any:
        """The next one of this training."""
        self._lives += 1
        store, remote = (str(self._folder / name) for name in (f"disk{self._lives}", f"drive{self._trainings}"))
        return self._training.Life(store=store, remote=remote, **options)


@pytest.fixture(scope="session")
def training() -> ModuleType:
    """Imported here, and not by whoever only collects tests: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from frameworks.transformers_trainer import cells, training  # noqa: F401 - so that forks find it there
    return training


@pytest.fixture
def story(training: ModuleType) -> Iterator[Story]:
    """Told in memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hf-", dir=shared if shared.is_dir() else None) as folder:
        yield Story(training, Path(folder))
