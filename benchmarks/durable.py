"""From the boundary until the checkpoint cannot be lost any more, beside a program that only writes the same bytes."""

from __future__ import annotations

import mmap
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from .findings import Findings, Goal, Row, Sample, ratios
from .settings import Settings
from .training import Training
from .turns import opened
from .ways import DCP_CACHED, OURS, WAYS, Saver

__all__ = ["durables", "measure_durable"]

_PLAIN = "a plain write and fsync"
_DIRECT = "a plain write past the page cache (O_DIRECT) and fsync"
_WAYS = ("torch.save and fsync", DCP_CACHED, OURS)
_WARM = 5  # then staging is there, and files that retention gave up can be written again
_PIECE = 16 << 20
_GOAL = 1.3


def durables(settings: Settings) -> int:
    """How many rounds will be timed."""
    return settings.repeats


def measure_durable(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time all contenders in turns, each behind a step; nothing trains meanwhile. `tick` is called after each round."""
    training = Training.of_megabytes(settings.megabytes)
    training.step()
    same_bytes = _bytes(training.nbytes)
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        savers: dict[str, Saver] = {}
        for number, name in enumerate(_WAYS):
            savers[name] = stack.enter_context(opened(WAYS[name], training, folder / str(number)))
        numbers = count()
        for _ in range(_WARM):
            _until_durable(savers[OURS], training, next(numbers))
        for _ in range(durables(settings)):
            found[_PLAIN].append(_written(same_bytes, folder / "plain", 0))
            found[_DIRECT].append(_written(same_bytes, folder / "direct", os.O_DIRECT))
            for name, saver in savers.items():
                found[name].append(_until_durable(saver, training, next(numbers)))
            tick()
    rows = [_row(name, seconds, found[OURS], training.nbytes) for name, seconds in found.items()]
    return Findings(rows=rows, goals=list(_goals(found)))


def _bytes(least: int) -> mmap.mmap:
    """Memory that begins at a page, as O_DIRECT wants it, with something in it that no file system can shorten."""
    memory = mmap.mmap(-1, -(-least // mmap.PAGESIZE) * mmap.PAGESIZE)
    piece = os.urandom(_PIECE)
    for start in range(0, len(memory), _PIECE):
        end = min(start + _PIECE, len(memory))
        memory[start:end] = piece[: end - start]
    return memory


def _written(content: mmap.mmap, path: Path, flag: int) -> float:
    _settle()
    begin = time.perf_counter()
    sink = os.open(path, os.O_WRONLY | os.O_CREAT | flag)
    with memoryview(content) as view:
        for start in range(0, len(view), _PIECE):
            os.write(sink, view[start : start + _PIECE])
    os.fsync(sink)
    end = time.perf_counter()
    os.close(sink)
    path.unlink()
    return end - begin


def _until_durable(saver: Saver, training: Training, number: int) -> float:
    training.step()  # else nothing would have changed, and nothing would be written
    _settle()
    begin = time.perf_counter()
    saver.save(number)
    next(saver.turns)
    while saver.is_busy():
        time.sleep(0.0005)
    end = time.perf_counter()
    saver.tidy()
    return end - begin


def _settle() -> None:
    """Else the next fsync also pays for the files that were deleted before."""
    os.sync()


def _row(name: str, seconds: list[float], ours: list[float], nbytes: int) -> Row:
    values = {
        "until it is on the disk, ms": Sample.of(1000 * one for one in seconds),
        "MB/s": Sample.of(nbytes / 1e6 / one for one in seconds),
    }
    if name != OURS and (ratio := ratios(ours, seconds)):
        values["colab_resume ÷ this"] = ratio
    return Row(group="from the boundary on", name=name, values=values)


def _goals(found: dict[str, list[float]]) -> Iterator[Goal]:
    for anchor in (_PLAIN, _DIRECT):
        if ratio := ratios(found[OURS], found[anchor]):
            yield Goal.at_most(_GOAL, ratio.median, f"boundary until durable, ÷ {anchor}")
