"""Why the threads beside the training keep their niceness: one that is nice waits while it holds the interpreter."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from .findings import Findings, Row, Sample
from .settings import Settings

__all__ = ["measure_niceness", "niceties"]

_NICE = (0, 10, 19)
_WINDOW = 3.0  # seconds of one look
_PAUSE = 0.3  # from one piece of work to the next
_WORK = {"numbers": list(range(200_000))}
_CALL = 0.0002  # seconds for which the loop is in C code, without the interpreter


def niceties(settings: Settings) -> int:
    """How many looks there will be."""
    return settings.repeats * (1 + len(_NICE))


def measure_niceness(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:  # noqa: ARG001
    """Look at a loop beside a thread of each niceness, in turns, while other processes keep both cores busy."""
    gaps: dict[int | None, list[float]] = {nice: [] for nice in (None, *_NICE)}
    with _busy_cores():
        for _ in range(settings.repeats):
            for nice, found in gaps.items():
                with _beside(nice):
                    found.append(_longest_turn())
                tick()
    names = {None: "no thread beside it"} | {nice: f"a thread of niceness {nice}" for nice in _NICE}
    rows = [
        Row(
            group="beside the loop",
            name=names[nice],
            values={"the longest turn, ms": Sample.of(1000 * one for one in found)},
        )
        for nice, found in gaps.items()
    ]
    return Findings(rows=rows, notes=[f"That work takes {1000 * _alone():.0f} ms where nothing else runs."])


@contextmanager
def _busy_cores() -> Iterator[None]:
    workers = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _spin() -> None:
    while True:
        sum(range(10_000))


@contextmanager
def _beside(nice: int | None) -> Iterator[None]:
    if nice is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(nice, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _work(nice: int, stop: threading.Event) -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
    while not stop.wait(_PAUSE):
        json.dumps(_WORK)


def _longest_turn() -> float:
    longest = 0.0
    end = time.perf_counter() + _WINDOW
    last = time.perf_counter()
    while last < end:
        time.sleep(_CALL)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


def _alone() -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        json.dumps(_WORK)
        times.append(time.perf_counter() - begin)
    return median(times)
