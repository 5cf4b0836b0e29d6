"""colab_resume, with nothing behind it or with a slow Drive."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import colab_resume
from colab_resume.errors import NotSafe
from colab_resume.remotes.folder import FolderRemote

from ..throttle import SlowRemote
from ..training import Training
from .saver import Saver

__all__ = ["ENDLESS", "RunSaver", "colab_resume_alone", "colab_resume_slow_drive", "new_run"]

ENDLESS = 1_000_000


def new_run(
    folder: Path,
    remote: SlowRemote | FolderRemote | None = None,
    *,
    every: str | None = "24 h",
    keep: colab_resume.Keep | None = None,
    name: str = "bench",
) -> colab_resume.Run:
    """A run that saves only when asked, if nothing else is said, and keeps quiet."""
    with redirect_stdout(StringIO()):
        return colab_resume.setup(name, store=folder, remote=remote, every=every, keep=keep)


class RunSaver(Saver):
    """A run whose own loop is what `turns` iterates."""

    def __init__(self, training: Training, folder: Path, run: colab_resume.Run) -> None:
        super().__init__(training, folder)
        self.run = run
        self._done = 0
        self._wanted = -1
        run.track(model=training.model, optimizer=training.optimizer)
        self.turns = self._counted()

    def _counted(self) -> Iterator[int]:
        for number in self.run.steps(ENDLESS):
            self._done = number + 1
            yield number

    def save(self, number: int) -> None:  # noqa: ARG002 - the run counts by itself
        self.run.save()
        self._wanted = self._done

    def is_busy(self) -> bool:
        """Until the manifest is committed, of this step or, if the run was not ready for one, of a later one."""
        status = self.run.status()
        if status.problems:
            raise RuntimeError(f"nothing is measured while this does not work: {status.problems}")
        return (-1 if status.saved is None else status.saved) < self._wanted

    def tidy(self) -> None:
        """A run clears up after itself, on the time that is measured. The thread that has committed is given the time
        to be ready again, else the next checkpoint would come a boundary later."""
        if not self.run.status().remote:
            self.run.flush()


@contextmanager
def colab_resume_alone(training: Training, folder: Path) -> Iterator[Saver]:
    """On this machine's disk."""
    run = new_run(folder / "store")
    try:
        yield RunSaver(training, folder, run)
    finally:
        run.finish()


@contextmanager
def colab_resume_slow_drive(training: Training, folder: Path, *, rate: int) -> Iterator[Saver]:
    """The same with an upload going on, at `rate` MB/s."""
    remote = SlowRemote(FolderRemote(folder / "drive"), rate * 1e6)
    run = new_run(folder / "store", remote)
    try:
        yield RunSaver(training, folder, run)
    finally:
        # Nobody waits for an upload that is refused.
        remote.unplug()
        with suppress(NotSafe), _unheard_warnings():
            run.finish()


@contextmanager
def _unheard_warnings() -> Iterator[None]:
    """That the remote is behind when it was unplugged is no news."""
    logger = logging.getLogger("colab_resume")
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False
