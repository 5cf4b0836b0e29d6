"""Work that waits for a disk or a network, a few jobs at a time.

Owns the threads: they end with the call, whatever happens. What a job raises comes out in the caller, who alone is told
of the progress; the jobs that are then still under way stop at their next word of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Event
from typing import TypeAlias

from ..background import BackgroundThread

__all__ = ["Job", "Tell", "abreast"]

Tell: TypeAlias = Callable[[int], None]
"""Is told how many bytes more are done."""

Job: TypeAlias = Callable[[Tell], None]


class _Stopped(BaseException):
    """Another job has failed, or the caller was interrupted; no handler of foreign code may take it for a failure."""


def abreast(jobs: Sequence[Job], tell: Tell, *, what: str, at_a_time: int) -> None:
    """Do all the jobs, and return when all are done; the first error ends it. `what` is in the threads' names."""
    stop, news, waiting = Event(), SimpleQueue[int | BaseException | None](), iter(jobs)

    def heard(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        news.put(count)

    threads = [BackgroundThread(_work, waiting, heard, news, name=f"colab_resume-{what}") for _ in jobs[:at_a_time]]
    try:
        for thread in threads:
            thread.start()
        _listen(news, len(threads), tell)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(jobs: Iterator[Job], tell: Tell, news: SimpleQueue[int | BaseException | None]) -> None:
    """Take one job after the other; None in the end, or what a job has raised."""
    error = None
    try:
        for job in jobs:
            job(tell)
    except BaseException as raised:  # noqa: BLE001 - it is raised again in the caller's thread
        error = raised
    news.put(error)


def _listen(news: SimpleQueue[int | BaseException | None], working: int, tell: Tell) -> None:
    while working:
        match news.get():
            case int(count):
                tell(count)
            case None:
                working -= 1
            case error:
                raise error
