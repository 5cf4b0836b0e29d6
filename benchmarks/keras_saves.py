"""What a checkpoint costs in a `fit` of Keras, on each of its back ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .findings import Findings, Row, Sample
from .process import answer_of
from .settings import Settings
from .ways import OURS, LeftOut

__all__ = ["BACK_ENDS", "keras_fits", "keras_process", "measure_keras"]

BACK_ENDS = {"TensorFlow": "tensorflow", "JAX": "jax", "torch": "torch"}
_MOST_MEGABYTES = 200
_EVERY, _SAVES = 10, 4
_TIMES = 3
_THEIRS = "Keras, BackupAndRestore"
_COSTS = "costs, ms"


def keras_fits(_settings: Settings) -> int:
    """How many processes will be started."""
    return len(BACK_ENDS)


def measure_keras(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Start them one after the other; `tick` is called after each."""
    rows: list[Row] = []
    notes: list[str] = []
    for name, back_end in BACK_ENDS.items():
        try:
            found = _fits(back_end, settings, folder / back_end)
        except LeftOut as why:
            notes.append(f"{name} was left out: {why}.")
            continue
        finally:
            tick()
        ours, theirs = _rows(f"on {name}, {found['state'] / 1e6:.0f} MB", found)
        rows += [theirs, ours]
    return Findings(rows=rows, notes=notes)


def keras_process(module: str, back_end: str, *arguments: object) -> Any:
    """What this module of the benchmarks has found with Keras on this back end, in a process of its own."""
    if find_spec("keras") is None:
        raise LeftOut("Keras is not installed")
    beside = Path(sys.prefix, back_end)  # where `make` puts what the other packages must not see
    if back_end != "torch" and not beside.is_dir():
        raise LeftOut(f"{beside.name} is not installed")
    paths = [str(beside), os.environ.get("PYTHONPATH", "")]
    environment = {"KERAS_BACKEND": back_end, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return answer_of(module, *arguments, environment=environment)


def _fits(back_end: str, settings: Settings, folder: Path) -> dict[str, Any]:
    megabytes, times = min(settings.megabytes, _MOST_MEGABYTES), _TIMES * settings.rounds
    found: dict[str, Any] = keras_process("keras_fit", back_end, megabytes, _EVERY, _SAVES, times, folder)
    return found


def _rows(group: str, found: Mapping[str, Any]) -> tuple[Row, Row]:
    """Ours and theirs."""
    seconds = found["seconds"]
    plain = seconds["without"]

    def costs(way: str) -> Sample:
        return Sample.of(1e3 * (one - other) / _SAVES for one, other in zip(seconds[way], plain, strict=True))

    step = Sample.of(1e3 * one / (_EVERY * _SAVES) for one in plain)
    stalls = Sample.of(1e3 * one / _SAVES for one in found["stalls"])
    ours = {"a step without, ms": step, _COSTS: costs("colab_resume"), "of that stalls, ms": stalls}
    theirs = {"a step without, ms": step, _COSTS: costs("BackupAndRestore")}
    return Row(group=group, name=OURS, values=ours), Row(group=group, name=_THEIRS, values=theirs)
