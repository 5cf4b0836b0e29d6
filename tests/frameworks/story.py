"""A training with a framework's trainer, told from its first life to its last, each in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from vm import KILLED, live

__all__ = ["Story", "told"]

Death = tuple[str, int] | int


class Story:
    """Its lives are on VMs of their own; only the remote lives on. `refused` says why a life does not begin."""

    def __init__(self, training: ModuleType, refused: Callable[[Any], str], folder: Path) -> None:
        self._training = training
        self._refused = refused
        self._folder = folder
        self._trainings = self._lives = 0

    def begin(self) -> None:
        """Another training, with nothing on the remote yet."""
        self._trainings += 1

    def tell(self, deaths: Sequence[Death], workers: Sequence[int] = (0,), *, last: bool = True, **options: Any) -> Any:
        """What the last life ends with, after others that died there; they have these workers in turn."""
        self.begin()
        found = None
        for number, death in enumerate([*deaths, None] if last else deaths):
            life = self.life(death=death, workers=workers[number % len(workers)], **options)
            status, found = live(lambda life=life: self._training.train(life))
            assert status == (KILLED if death else 0), (death, status)
        return found

    def check(self, deaths: Sequence[Death], workers: Sequence[int] = (0,), **options: Any) -> Any:
        """What a training ends with that died there; all there is to see must be as without those deaths."""
        whole = self.tell([], workers[:1], **options)
        found = self.tell(deaths, workers, **options)
        for name, value in whole["end"].items():
            assert found["end"][name] == value, name
        return found

    def go_on(self, **options: Any) -> Any:
        """What one more life of this training ends with."""
        life = self.life(**options)
        status, found = live(lambda: self._training.train(life))
        assert status == 0
        return found

    def refusal(self, **options: Any) -> str:
        """Why one more life of this training does not begin."""
        life = self.life(**options)
        status, said = live(lambda: self._refused(life))
        assert status == 0
        return str(said)

    def life(self, **options: Any) -> Any:
        """The next one of this training."""
        self._lives += 1
        store, remote = (str(self._folder / name) for name in (f"disk{self._lives}", f"drive{self._trainings}"))
        return self._training.Life(store=store, remote=remote, **options)


@contextmanager
def told(training: ModuleType, refused: Callable[[Any], str]) -> Iterator[Story]:
    """Told in memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="story-", dir=shared if shared.is_dir() else None) as folder:
        yield Story(training, refused, Path(folder))
