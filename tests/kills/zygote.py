"""A warm process that is forked for each life of a training, and kills what it forked.

    python -m kills.zygote      reads a `Life` per line, writes its `End` per line

It is a process of its own because a fork copies only the calling thread: whoever forks must have no other ones.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import torch
from kills.ambush import Ambush, Death, Told
from kills.training import NAME, Result, train

from colab_resume.remotes.drive_mount import DriveMount
from colab_resume.run import setup

__all__ = ["End", "Life", "Zygote", "environment"]

_HANGS_AFTER_SECONDS = 60.0
_PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Life:
    """One process: where it works, how it is set up, the states it must come to, and where it dies if it does.

    `mounted`: the remote is a folder on a mounted Drive, which other VMs see a moment later.
    If it `waits` at each step for what was saved before, no save is ever left out for being too fast.
    """

    store: str
    remote: str | None = None
    every: int = 1
    workers: int = 0
    expected: str = ""
    death: Death | None = None
    waits: bool = False
    mounted: bool = False


@dataclass(frozen=True, kw_only=True)
class End:
    """How a life ended, what it told before, what it printed, and the result if it came to one."""

    how: Literal["killed", "complete", "failed", "hung"]
    told: Told | None
    text: str
    result: Result | None


def environment() -> dict[str, str]:
    """What a process needs to find the package and these tests."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_PROJECT), str(_PROJECT / "tests")])}


class Zygote:
    """The warm process, seen from the test."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kills.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )

    def live(self, life: Life) -> End:
        """Let a process live this life to its end."""
        _pipe_of(self._process.stdin).write(json.dumps(asdict(life)) + "\n")
        _pipe_of(self._process.stdin).flush()
        answer = json.loads(_pipe_of(self._process.stdout).readline())
        told, result = answer["told"], answer["result"]
        return End(
            how=answer["how"],
            told=Told(**told) if told else None,
            text=answer["text"],
            result=Result(**result) if result else None,
        )

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
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a training prints is no answer
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        train(setup(NAME, store=Path(folder, "store"), remote=Path(folder, "remote"), every=50))
    for line in sys.stdin:
        content = json.loads(line)
        death = content.pop("death")
        answers.write(json.dumps(_lived(Life(**content, death=Death(**death) if death else None))) + "\n")
        answers.flush()


def _lived(life: Life) -> dict[str, Any]:
    assert threading.active_count() == 1, threading.enumerate()
    with tempfile.TemporaryDirectory() as folder:
        text, result = Path(folder, "text"), Path(folder, "result")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os._exit(_live(life, writing, text, result))
        os.close(writing)
        told, hangs = _watched(child, reading, life.death)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        how = "hung" if hangs else {0: "complete", -signal.SIGKILL: "killed"}.get(code, "failed")
        return {
            "how": how,
            "told": json.loads(told.splitlines()[0]) if told else None,
            "text": text.read_text(),
            "result": json.loads(result.read_text()) if result.exists() else None,
        }


def _watched(child: int, pipe: int, death: Death | None) -> tuple[bytes, bool]:
    """What the child told, and whether it hung; it, and all that it started, is killed in both cases."""
    with os.fdopen(pipe, "rb", buffering=0) as stream:
        ready, _, _ = select.select([stream], [], [], _HANGS_AFTER_SECONDS)
        told = stream.read(1000) if ready else b""
        if told or not ready:
            if death is not None and b"anywhere" in told:
                select.select([], [], [], death.delay)
            os.killpg(child, signal.SIGKILL)
    return told, not ready


def _live(life: Life, pipe: int, text: Path, result: Path) -> int:
    """In the child: the exit code."""
    handle = os.open(text, os.O_WRONLY | os.O_CREAT)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    try:
        result.write_text(json.dumps(asdict(_trained(life, pipe))))
    except BaseException:  # noqa: BLE001 - a forked child ends here, whatever happens
        traceback.print_exc()
        return 1
    return 0


def _trained(life: Life, pipe: int) -> Result:
    expected = json.loads(Path(life.expected).read_text()) if life.expected else None
    ambush = Ambush(life.death, pipe) if life.death else None
    if ambush is not None:
        ambush.lie()
    remote = DriveMount(Path(life.remote), lag=0.05) if life.mounted and life.remote else life.remote
    run = setup(NAME, store=life.store, remote=remote, every=life.every)

    def after_step(step: int, digest: str) -> None:
        assert expected is None or digest == expected[step - 1], f"the state after step {step} is another one"
        if life.waits:
            run.flush()
        if ambush is not None:
            ambush.after_step(step)

    return train(run, workers=life.workers, after_step=after_step)


if __name__ == "__main__":
    main()
