"""What becomes slower when there is more: checkpoints in a run, tensors in a state, runs in a folder.

The files lie in memory where the system has a folder for that: a disk's fsync would hide what the program does.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import torch

import colab_resume
from colab_resume.cli import main as command_line
from colab_resume.remotes.folder import FolderRemote

from .findings import Findings, Goal, Row, Sample
from .settings import Settings
from .training import Training
from .ways import RunSaver, new_run

__all__ = ["growths", "measure_growth"]

_WINDOW = 10
_FEWEST = 2
_PATIENCE = 150.0  # seconds for the checkpoints of one run; if they do not suffice, that is the finding
_MEMORY = Path("/dev/shm")
_STEEPEST = 1.1
_GROWN = 1.5
_SAVE, _SETUP, _LS, _RETENTION = "save, ms", "setup() and track(), ms", "colab-resume ls, ms", "retention, ms"

_Times = dict[str, list[float]]


def growths(settings: Settings) -> int:
    """How many amounts will be reached."""
    return sum(len(_amounts(most)) for most in (settings.checkpoints, settings.tensors, settings.runs))


def measure_growth(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:  # noqa: ARG001
    """Reach each amount; `tick` is called at each."""
    rows: list[Row] = []
    goals: list[Goal] = []
    notes: list[str] = []
    kinds = {
        "checkpoints in one run": (_checkpoints, settings.checkpoints),
        "tensors in one state": (_tensors, settings.tensors),
        "runs in one remote folder": (_runs, settings.runs),
    }
    for group, (reach, most) in kinds.items():
        with _in_memory() as root:
            found = {}
            for amount, times in reach(root, _amounts(most)):
                found[amount] = times
                tick()
        rows += [_row(group, amount, times) for amount, times in found.items()]
        goals += _goals(group, found)
        if max(found) < most:
            notes.append(f"{group}: it was stopped at {max(found)}, for it took longer than {_PATIENCE:.0f} s.")
    return Findings(rows=rows, goals=goals, notes=notes)


def _amounts(most: int) -> list[int]:
    """Two that are smaller, so that one can see how it grows."""
    return sorted({max(_FEWEST, most // 1000 if most >= 10_000 else most // 100), max(_FEWEST, most // 10), most})


@contextmanager
def _in_memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=_MEMORY if _MEMORY.is_dir() else None) as root:
        yield Path(root)


def _checkpoints(root: Path, amounts: Sequence[int]) -> Iterator[tuple[int, _Times]]:
    """One run that keeps all of them; at each amount it is closed, listed, opened again, and a copy of it thinned."""
    everything = colab_resume.Keep(last=2 * max(amounts))
    give_up = time.perf_counter() + _PATIENCE
    saver, _ = _open(root / "store", everything)
    seconds: list[float] = []
    for amount in amounts:
        while len(seconds) < amount and time.perf_counter() < give_up:
            seconds.append(_save(saver))
        saver.run.finish()
        times = {_SAVE: seconds[-_WINDOW:], _LS: [_ls(root / "store")], _RETENTION: [_thinned(root, amount)]}
        saver, opened = _open(root / "store", everything)
        yield len(seconds), times | {_SETUP: [opened]}
        if len(seconds) < amount:
            break
    saver.run.finish()


def _thinned(root: Path, amount: int) -> float:
    """Until a checkpoint is saved and all but two are gone."""
    copy = root / "copy"
    shutil.copytree(root / "store", copy)
    saver, _ = _open(copy, colab_resume.Keep(last=2))
    begin = time.perf_counter()
    saver.save(0)
    next(saver.turns)
    manifests = next(copy.rglob("checkpoints"))
    while saver.is_busy() or sum(1 for _ in manifests.iterdir()) > 2:
        if time.perf_counter() - begin > _PATIENCE:
            raise RuntimeError(f"of {amount} checkpoints, those that are not kept are still there")
        time.sleep(0.002)
    end = time.perf_counter()
    saver.run.finish()
    shutil.rmtree(copy)
    return end - begin


def _tensors(root: Path, amounts: Sequence[int]) -> Iterator[tuple[int, _Times]]:
    """A parameter comes with three tensors of the optimizer."""
    for amount in amounts:
        training = Training.of_tensors(max(2, amount // 4))
        training.step()
        saver = RunSaver(training, root, new_run(root / str(amount)))
        seconds = [_save(saver, training) for _ in range(1 + _WINDOW)][1:]
        saver.run.finish()
        again = Training.of_tensors(max(2, amount // 4))
        begin = time.perf_counter()
        run = new_run(root / str(amount))
        run.track(model=again.model, optimizer=again.optimizer)
        opened = time.perf_counter() - begin
        run.finish()
        yield amount, {_SAVE: seconds, _SETUP: [opened], _LS: [_ls(root / str(amount))]}


def _runs(root: Path, amounts: Sequence[int]) -> Iterator[tuple[int, _Times]]:
    """Each keeps its checkpoints in the same place."""
    there = 0
    drive = FolderRemote(root / "drive")
    for amount in amounts:
        opened, seconds = [], []
        while there < amount:
            saver, one = _open(root / "stores" / str(there), None, name=f"run {there}", remote=drive)
            seconds.append(_save(saver))
            saver.run.finish()
            opened.append(one)
            there += 1
        times = {_SAVE: seconds[-_WINDOW:], _SETUP: opened[-_WINDOW:], _LS: [_ls(root / "drive")]}
        yield amount, times


def _open(
    store: Path, keep: colab_resume.Keep | None, *, name: str = "bench", remote: FolderRemote | None = None
) -> tuple[RunSaver, float]:
    training = Training(torch.nn.Linear(4, 4), width=4)
    training.step()
    begin = time.perf_counter()
    saver = RunSaver(training, store, new_run(store, remote, keep=keep, name=name))
    opened = time.perf_counter() - begin
    next(
        saver.turns
    )  # a run that goes on enters its loop here, and saves at the next boundary; a new one saves at once
    saver.run.flush()
    return saver, opened


def _save(saver: RunSaver, training: Training | None = None) -> float:
    (training or saver.training).step()
    begin = time.perf_counter()
    saver.save(0)
    next(saver.turns)
    while saver.is_busy():
        time.sleep(0.0001)
    saver.run.flush()
    return time.perf_counter() - begin


def _ls(folder: Path) -> float:
    """As the command does it, without the start of Python."""
    begin = time.perf_counter()
    with redirect_stdout(StringIO()):
        status = command_line(["ls", str(folder)])
    if status:
        raise RuntimeError(f"`colab-resume ls` ended with status {status}")
    return time.perf_counter() - begin


def _row(group: str, amount: int, times: Mapping[str, Sequence[float]]) -> Row:
    columns = [column for column in (_SAVE, _SETUP, _LS, _RETENTION) if column in times]
    values = {column: Sample.of(1000 * seconds for seconds in times[column]) for column in columns}
    return Row(group=group, name=str(amount), values=values)


def _goals(group: str, found: Mapping[int, Mapping[str, Sequence[float]]]) -> Iterator[Goal]:
    if len(found) < 2:
        return
    first, *_, penultimate, last = (min(found), *sorted(found))
    before, after = found[penultimate], found[last]
    for column in after:
        if column == _SAVE and "tensors" not in group:
            grown = Sample.of(after[column]).median / Sample.of(found[first][column]).median
            yield Goal.at_most(_GROWN, grown, f"{group}: a save at {last}, ÷ one at {first}")
            continue
        slope = math.log(Sample.of(after[column]).median / Sample.of(before[column]).median)
        slope /= math.log(last / penultimate)
        text = f"{group}: how {column.removesuffix(', ms')} grows up to {last} (1 is in proportion)"
        yield Goal.at_most(_STEEPEST, slope, text)
