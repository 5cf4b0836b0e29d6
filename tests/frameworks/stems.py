"""Lives on a framework that lies beside the other packages: only processes of its own import it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vm import KILLED

__all__ = ["Stem", "Story", "planted", "told"]

PROJECT = Path(__file__).parents[2]


class Stem:
    """The process that lives are forked from."""

    def __init__(self, package: str, beside: Path, settings: Mapping[str, str], log: Path) -> None:
        self._log = log
        paths = os.pathsep.join(map(str, (beside, PROJECT, PROJECT / "tests")))
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "frameworks.stem", package],
                env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **settings, "PYTHONPATH": paths},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def live(self, scene: str, **life: Any) -> tuple[int, Any]:
        """One life of this scene: its exit status, and what it returned."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([scene, life]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, self._log.read_text()[-4000:]
        status, found = json.loads(answer)
        return status, found

    def why(self) -> str:
        """The last lines of what was said."""
        return self._log.read_text()[-4000:]

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()


class Story:
    """One training, told from its first life to its last, each on a VM of its own; only the remote lives on."""

    def __init__(self, stem: Stem, folder: Path) -> None:
        self._stem = stem
        self._folder = folder
        self._told = self._lives = 0

    def tell(self, scene: str, deaths: Sequence[Any] = (), **life: Any) -> Any:
        """What the last life returned, after others that died there."""
        self._told += 1
        found = None
        for death in [*deaths, None]:
            status, found = self.live(scene, remote=f"drive{self._told}", death=death, **life)
            assert status == (KILLED if death else 0), (death, status, self._stem.why())
        return found

    def survives(self, scene: str, deaths: Sequence[Any]) -> None:
        """Killed at these of its moments it ends like one that never was, and what runs again comes out the same."""
        unkilled = self.tell(scene, every=1000)
        assert all(death in unkilled["moments"] for death in deaths), unkilled["moments"]
        found = self.tell(scene, deaths)
        assert found["end"] == unkilled["end"]
        assert "first difference" not in found["replay"]

    def live(self, scene: str, *, remote: str = "drive", store: str = "", **life: Any) -> tuple[int, Any]:
        """One life on a VM of its own, unless it has the disk of another one."""
        self._lives += 1
        disk, drive = (str(self._folder / name) for name in (store or f"vm{self._lives}", remote))
        return self._stem.live(scene, store=disk, remote=drive, **life)

    def why(self) -> str:
        """What the lives have said last."""
        return self._stem.why()


@contextmanager
def planted(name: str, log: Path, **settings: str) -> Iterator[Stem]:
    """The stem of `frameworks.on_NAME`; without the framework the tests are skipped, and in CI failed."""
    beside = PROJECT / ".venv" / name
    if not (beside / name).is_dir():
        pytest.skip(f"needs {name} in {beside} (make .venv/.{name}-ready)")
    stem = Stem(f"frameworks.on_{name}", beside, settings, log)
    try:
        yield stem
    finally:
        stem.close()


@contextmanager
def told(stem: Stem) -> Iterator[Story]:
    """In memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="story-", dir=shared if shared.is_dir() else None) as folder:
        yield Story(stem, Path(folder))
