"""Asks each question of a process of its own, all at once; whoever has not answered in time is left behind.

A thread would not do: a call into a mount that hangs cannot be ended, and a process that holds one cannot end either.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from .afar import QUESTIONS, Asked
from .findings import Finding

__all__ = ["answers"]

_PROGRAM = f"{__package__}.asked"
_FOLDER = Path(__file__).parents[3]
_LAST_WORDS = 0.2
"""Seconds for what was said already to be read, and for a process that was killed to be gone."""


def answers(asked: Asked) -> Iterator[Finding]:
    """What the questions have found within `asked.seconds`; what they lack then is said."""
    children: dict[str, subprocess.Popen[bytes]] = {}
    end = time.monotonic() + asked.seconds
    try:
        for question in QUESTIONS:
            children[question] = _started(question, asked)
        for question, child in children.items():
            yield from _answer(question, child, max(_LAST_WORDS, end - time.monotonic()), asked.seconds)
    finally:
        for child in children.values():
            _leave(child)


def _started(question: str, asked: Asked) -> subprocess.Popen[bytes]:
    # -P: no file of the working directory is taken for a library; but for this package, wherever it was found.
    paths = [str(_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", _PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    # By stdin and not by the command line, which everybody on this machine can read.
    with suppress(BrokenPipeError), child.stdin as sink:
        sink.write(json.dumps([question, asdict(asked)]).encode())
    child.stdin = None
    return child


def _answer(question: str, child: subprocess.Popen[bytes], left: float, seconds: float) -> Iterator[Finding]:
    try:
        out, err = child.communicate(timeout=left)
    except subprocess.TimeoutExpired as late:
        yield from _findings(late.stdout or b"")
        yield Finding(about=question, text=f"no further answer within {seconds:g} s", wrong=True)
        return
    yield from _findings(out)
    if child.returncode:
        said = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        yield Finding(about=question, text=f"this look ended with status {child.returncode}: {said}", wrong=True)


def _findings(out: bytes) -> list[Finding]:
    """The whole lines."""
    return [Finding(**json.loads(line)) for line in out.split(b"\n")[:-1]]


def _leave(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_LAST_WORDS)
    for stream in filter(None, (child.stdout, child.stderr)):
        stream.close()
