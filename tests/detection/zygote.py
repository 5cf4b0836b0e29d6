"""A warm process that has imported torchvision and is forked for each life of the training.

    python -m detection.zygote      reads a `Life` per line, writes its `End` per line

It alone sees torchvision, which lies beside the other packages. It has no other threads, as `vm.live` needs it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vm import die, live

if TYPE_CHECKING:
    from detection.training import Place

    import colab_resume

__all__ = ["SHIM", "End", "Life", "Zygote", "environment", "why_no_torchvision"]

_HANGS_AFTER_SECONDS = 60
_TESTS = Path(__file__).parents[1]
SHIM = _TESTS / "shim"
_BESIDE = Path(sys.prefix, "torchvision")


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: its disk, the remote, how often it saves, its workers, and where it dies, if it does.

    One that dies waits for each save on its way, so it is known where the next one begins.
    """

    store: str
    remote: str
    every: int
    workers: int = 2
    dies: tuple[Place, int] | None = None


@dataclass(frozen=True, kw_only=True)
class End:
    """The exit status of a life, and what its training came to if it got there."""

    status: int
    result: dict[str, Any] | None


def why_no_torchvision() -> str | None:
    """Why torchvision cannot be imported by the warm process, or None."""
    found = PathFinder.find_spec("torchvision", [str(_BESIDE), *sys.path])
    return None if found else f"needs torchvision, which `make test` puts into {_BESIDE}"


def environment() -> dict[str, str]:
    """What a process needs to import torchvision and these tests."""
    folders = (SHIM, _BESIDE, _TESTS.parent, _TESTS)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        # Where it has no operators, torchvision compiles its plain code, which takes longer than the training.
        "TORCHDYNAMO_DISABLE": "1",
    }


class Zygote:
    """The warm process, seen from the test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "detection.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def live(self, life: Life) -> End:
        """Let a process live this life to its end."""
        _pipe_of(self._process.stdin).write(json.dumps(asdict(life)) + "\n")
        _pipe_of(self._process.stdin).flush()
        return End(**json.loads(_pipe_of(self._process.stdout).readline()))

    def close(self) -> None:
        """End the warm process."""
        _pipe_of(self._process.stdin).close()
        self._process.wait()
        _pipe_of(self._process.stdout).close()


def _pipe_of(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def main() -> None:
    """Warm up, then serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a training prints is no answer
    import_module("detection.training")
    for line in sys.stdin:
        life = Life(**json.loads(line))
        status, result = live(lambda life=life: _lived(life))
        answers.write(json.dumps({"status": status, "result": result}) + "\n")
        answers.flush()


def _lived(life: Life) -> dict[str, Any]:
    from detection.training import Scene, train

    def reached(run: colab_resume.Run, place: Place, step: int) -> None:
        if life.dies is not None and place != "stepped":
            run.flush()
        if life.dies is not None and tuple(life.dies) == (place, step):
            die()

    signal.alarm(_HANGS_AFTER_SECONDS)
    store, remote = Path(life.store), Path(life.remote)
    return train(Scene(store=store, remote=remote, every=life.every, workers=life.workers, reached=reached))


if __name__ == "__main__":
    main()
