"""Progress over bytes, on stderr and only where somebody watches: a log file or a pipe gets none of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

__all__ = ["byte_bar", "write_above_bars"]

_AFTER_SECONDS = 0.5


class _Bar(tqdm):  # type: ignore[misc]
    """One that starts no thread of tqdm's, which would outlive it until the process ends."""

    monitor_interval = 0


@contextmanager
def byte_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar while in this block; what it yields is told how many bytes more are done."""
    with _Bar(
        desc=what, total=total, unit="B", unit_scale=True, delay=_AFTER_SECONDS, leave=False, disable=None
    ) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


def write_above_bars(line: str) -> None:
    """One line on stdout, without tearing a bar that is on the same terminal."""
    tqdm.write(line)
