"""One place to save at, and session after session on it, all in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import colab_resume
from colab_resume.remotes import Remote
from colab_resume.testing import MemoryRemote

__all__ = ["Counter", "Place"]


class Counter:
    """The smallest object that has a state."""

    def __init__(self) -> None:
        self.n = 0

    def state_dict(self) -> dict[str, Any]:
        return {"n": self.n}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.n = state["n"]


class Place:
    """A store and a remote; every `setup` is a new session on them, as after a restart of the process."""

    def __init__(self, folder: Path) -> None:
        self.store = folder
        self.remote: Remote = MemoryRemote()
        self.runs: list[colab_resume.Run] = []

    def setup(self, **options: Any) -> colab_resume.Run:
        self.leave()
        run = colab_resume.setup("r", store=self.store, remote=self.remote, **{"every": 1, **options})
        self.runs.append(run)
        return run

    def move(self, folder: str) -> None:
        """To another disk and another remote, where nothing was ever saved."""
        self.leave()
        self.store, self.remote = self.store / folder, MemoryRemote()

    def leave(self) -> None:
        """The process ends in peace, wherever its loops are."""
        for run in self.runs:
            if not run._finished:
                run._course.leaving.at_exit()
        self.runs.clear()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.leave()
