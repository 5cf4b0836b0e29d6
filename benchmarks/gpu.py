"""The stall and the slowdown where a GPU trains; where there is none, one line says so."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from .findings import Findings, Goal, Row, Sample, ratios
from .settings import Settings
from .slowdown import Pair, pairs_of
from .training import Training
from .ways import DCP_ASYNCHRONOUS, DCP_CACHED, DCP_THREAD, OURS, TORCH_SAVE, WAYS

__all__ = ["gpu_ways", "measure_gpu"]

_WAYS = (TORCH_SAVE, DCP_THREAD, DCP_CACHED, DCP_ASYNCHRONOUS, OURS)
_GOAL = 5.0
_ROOM = 1.7  # of the state: it, its gradients, and what the passes need


def gpu_ways(settings: Settings) -> int:
    """How many times a way will be opened."""
    return len(_WAYS) * len(settings.gpu_sizes) if torch.cuda.is_available() else 0


def measure_gpu(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Open every way at every size; `tick` is called after each."""
    if not torch.cuda.is_available():
        return Findings(notes=["There was no GPU in this run."])
    rows: list[Row] = []
    goals: list[Goal] = []
    notes = [f"GPU: {torch.cuda.get_device_name()}."]
    for megabytes in settings.gpu_sizes:
        free = torch.cuda.mem_get_info()[0]
        if free < _ROOM * megabytes * 1e6:
            notes.append(f"{megabytes} MB were left out: {free / 1e6:.0f} MB of GPU memory are free.")
            continue
        found = _measured(megabytes, settings, folder, tick)
        group = f"{megabytes} MB on the GPU"
        rows += [_row(group, name, pairs, found[OURS]) for name, pairs in found.items()]
        stall = Sample.of(1000 * _stall(pair) for pair in found[OURS]).median
        goals.append(Goal.at_most(_GOAL, stall, f"{group}: the stall, ms"))
    return Findings(rows=rows, goals=goals, notes=notes)


def _measured(
    megabytes: int, settings: Settings, folder: Path, tick: Callable[[], object]
) -> dict[str, Sequence[Pair]]:
    training = Training.of_megabytes(megabytes, device="cuda")
    training.use_batches_of(training.batch_for(settings.step_seconds))
    found: dict[str, Sequence[Pair]] = {}
    for name in _WAYS:
        gc.collect()
        found[name] = pairs_of(WAYS[name], training, settings, folder / "loop")
        tick()
    return found


def _stall(pair: Pair) -> float:
    """By the first step, since a wait on the GPU's side shows only in how long the step takes there."""
    return max(0.0, pair.saved[0].whole - pair.usual)


def _row(group: str, name: str, pairs: Sequence[Pair], ours: Sequence[Pair]) -> Row:
    values = {
        "stall, ms": Sample.of(1000 * _stall(pair) for pair in pairs),
        "loop, against no saving": Sample.of(1 + pair.share for pair in pairs),
        "until it is finished, steps": Sample.of(len(pair.saved) for pair in pairs),
        "one step, ms": Sample.of(1000 * pair.usual for pair in pairs),
    }
    if name != OURS and (ratio := ratios([_stall(pair) for pair in ours], [_stall(pair) for pair in pairs])):
        values["stall of colab_resume ÷ this"] = ratio
    return Row(group=group, name=name, values=values)
