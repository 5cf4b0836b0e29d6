"""The training as a bar on stderr, where a person watches a terminal; a log file, a pipe or a notebook gets none of it.

Feeding it at every boundary costs next to nothing: tqdm looks at the clock now and then and draws ten times a second at
most. It starts no thread.
"""

from __future__ import annotations

import sys

from tqdm import tqdm

from ..status import Progress

__all__ = ["ProgressBar"]


class _Bar(tqdm):  # type: ignore[misc] # tqdm has no types
    # Else tqdm starts a thread for bars that are seldom fed, which stays when the bar is gone.
    monitor_interval = 0


class ProgressBar:
    """One bar for a run, of the epoch in progress if there are epochs; made at the first boundary."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._bar: _Bar | None = None
        self._stretch: tuple[int | None, int | None] | None = None
        self._closed = False
        self._watched: bool | None = None

    @property
    def is_watched(self) -> bool:
        """Whether somebody may be looking: a terminal is there, and shows no bar of the user's own already."""
        if self._watched is None:
            self._watched = sys.stderr is not None and sys.stderr.isatty() and not getattr(tqdm, "_instances", ())
        return self._watched and not self._closed

    def update(self, progress: Progress, step: int) -> None:
        """The training is here now."""
        if self._closed:
            return
        within = progress.batch is not None
        done = progress.batch if progress.batch is not None else step
        stretch = (progress.epoch if within else None, progress.batches if within else progress.steps)
        if self._bar is None:
            self._bar = _Bar(unit="step", initial=done, total=stretch[1], leave=False, disable=None, delay=0.5)
        if self._bar.disable:
            return
        if stretch != self._stretch:
            self._begin(self._bar, progress, done, stretch)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away; again is harmless."""
        self._closed = True
        if self._bar is not None:
            self._bar.close()

    def _begin(self, bar: _Bar, progress: Progress, done: int, stretch: tuple[int | None, int | None]) -> None:
        """Another epoch, or the first: counted from where it begins, which after a restart is not its first batch."""
        self._stretch = stretch
        epoch = "" if progress.epoch is None else f" · epoch {progress.epoch + 1}"
        bar.set_description_str(
            f"{self._run}{epoch}{f' of {progress.epochs}' if epoch and progress.epochs else ''}", refresh=False
        )
        # Not by tqdm's own reset: it draws at once, and epochs may be shorter than a blink.
        bar.total = stretch[1]
        bar.initial = bar.n = bar.last_print_n = done
