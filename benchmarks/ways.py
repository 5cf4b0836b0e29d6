"""The ways of saving that are compared. Each gives the turns of a loop and what to call between two of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedWriter, StringIO
from pathlib import Path

import torch

import colab_resume
from colab_resume.errors import NotSafe
from colab_resume.remotes.folder import FolderRemote

from .throttle import SlowFile, SlowRemote
from .training import Training

__all__ = ["NOTHING", "Saver", "Way", "new_run", "ways"]

NOTHING = "no saving"


@dataclass(kw_only=True)
class Saver:
    """`turns` has no end in sight. `reported`: the seconds of a stall by the tool's own account, known at the end."""

    turns: Iterator[int]
    save: Callable[[int], None]
    saves: int = 0
    reported: float | None = None


Way = Callable[[Training, Path], AbstractContextManager[Saver]]


def ways(rate: int) -> Mapping[str, Way]:
    """Every way by its name; `rate` is what the slow Drive takes, in MB/s."""
    return {
        NOTHING: _nothing,
        "torch.save to the disk": partial(_torch_save, write=_to_page_cache),
        "torch.save and fsync": partial(_torch_save, write=_to_disk),
        f"torch.save to a Drive of {rate} MB/s": partial(_torch_save, write=partial(_to_slow_drive, rate=rate * 1e6)),
        "colab_resume, no remote": partial(_colab_resume, rate=None),
        f"colab_resume, a Drive of {rate} MB/s behind it": partial(_colab_resume, rate=rate * 1e6),
    }


def new_run(folder: Path, remote: SlowRemote | FolderRemote | None = None) -> colab_resume.Run:
    """A run that saves only when asked and keeps quiet."""
    with redirect_stdout(StringIO()):
        return colab_resume.setup("bench", store=folder, remote=remote, every="24 h")


def _endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


@contextmanager
def _nothing(training: Training, folder: Path) -> Iterator[Saver]:  # noqa: ARG001 - the shape of a Way
    yield Saver(turns=_endless(), save=lambda _: None)


@contextmanager
def _torch_save(training: Training, folder: Path, *, write: Callable[[object, Path], None]) -> Iterator[Saver]:
    saver = Saver(turns=_endless(), save=lambda _: None)

    def save(step: int) -> None:
        write(training.state(), folder / f"{step}.pt")
        saver.saves += 1

    saver.save = save
    yield saver


def _to_page_cache(state: object, path: Path) -> None:
    torch.save(state, path)


def _to_disk(state: object, path: Path) -> None:
    with path.open("wb") as sink:
        torch.save(state, sink)
        sink.flush()
        os.fsync(sink.fileno())


def _to_slow_drive(state: object, path: Path, *, rate: float) -> None:
    with BufferedWriter(SlowFile(path, rate), 1 << 20) as sink:
        torch.save(state, sink)


@contextmanager
def _colab_resume(training: Training, folder: Path, *, rate: float | None) -> Iterator[Saver]:
    remote = None if rate is None else SlowRemote(FolderRemote(folder / "drive"), rate)
    run = new_run(folder / "store", remote)
    run.track(model=training.model, optimizer=training.optimizer)
    turns = run.steps(1_000_000)
    saver = Saver(turns=turns, save=lambda _: run.save())
    try:
        yield saver
    finally:
        # A loop that was left early is not saved again by `finish`, and nobody waits for an upload that is refused.
        if remote is not None:
            remote.unplug()
        with suppress(NotSafe), _unheard_warnings():
            run.finish()
        status = run.status()
        saver.saves = status.saves
        saver.reported = status.stall_seconds / status.saves if status.saves else None


@contextmanager
def _unheard_warnings() -> Iterator[None]:
    """That the remote is behind when it was unplugged is no news."""
    logger = logging.getLogger("colab_resume")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False
