"""What a restart costs until the first step is done: from the VM's own disk, and from a remote on a new VM.

Each contender gets a model and an optimizer that have just been built, and must leave them with the saved state. The
step counts, because mapped files are only read there. Only colab_resume checks what it reads, byte for byte.
"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.distributed.checkpoint.state_dict_loader import load as dcp_load
from torch.distributed.checkpoint.state_dict_saver import save as dcp_save

from colab_resume.remotes.folder import FolderRemote

from .findings import Findings, Goal, Row, Sample, ratios
from .settings import Settings
from .training import Training
from .turns import in_turns
from .ways import new_run

__all__ = ["measure_restoring", "restores"]

_Restore = Callable[[Training, Path], dict[str, float]]

_CACHES = ("the files are in the page cache", "the files are on the disk only")
_STEPS = 10
_USED = 6
"""Parts of the state: more than any restore takes, with a step."""


def restores(settings: Settings) -> int:
    """How many restores will be timed."""
    return settings.repeats * len(_CACHES) * len(_CONTENDERS)


def measure_restoring(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Time every contender with warm and cold files; `tick` is called after each restore."""
    folder.mkdir()
    _prepare(settings.megabytes, folder)
    found: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    for contenders in in_turns(_CONTENDERS, settings.repeats):
        for cache in _CACHES:
            for name, restore in contenders:
                training = Training.of_megabytes(settings.megabytes)
                _set_page_cache(folder, warm=cache == _CACHES[0])
                _give_memory_back(settings.megabytes)
                found[cache, name].append(restore(training, folder))
                tick()
    rows = [_row(cache, name, found[cache, name], found[cache, _SAME_VM]) for cache in _CACHES for name in _CONTENDERS]
    return Findings(rows=rows, goals=[goal for row in rows for goal in _goals(row)])


def _give_memory_back(megabytes: int) -> None:
    """As in a new process on a machine that has run: what was freed must be asked of the system again, which has it.

    A host takes memory back that its virtual machine does not use, and a page is dear that it must give anew.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    torch.ones(_USED * megabytes, 1 << 18)


def _prepare(megabytes: int, folder: Path) -> None:
    """Write one and the same state in every form; the run saves it when its loop is entered."""
    training = Training.of_megabytes(megabytes)
    training.step()
    remote = FolderRemote(folder / "drive")
    run = new_run(folder / "store", remote)
    run.track(model=training.model, optimizer=training.optimizer)
    next(iter(run.steps(_STEPS)))
    run.flush()
    run.finish()
    packed = sum(pack.stat().st_size for pack in (folder / "drive").rglob("packs/*"))
    if not training.nbytes <= packed <= 1.01 * training.nbytes:
        raise RuntimeError(f"the checkpoint has {packed} bytes, the state {training.nbytes}: they cannot be compared")
    torch.save(training.state(), folder / "state.pt")
    save_file(training.tensors(), folder / "state.safetensors")
    dcp_save(training.state(), checkpoint_id=folder / "state", no_dist=True)


def _torch_load(training: Training, folder: Path) -> dict[str, float]:
    begin = time.perf_counter()
    training.load(torch.load(folder / "state.pt", weights_only=True))
    return _and_a_step(training, begin)


def _torch_load_mapped(training: Training, folder: Path) -> dict[str, float]:
    begin = time.perf_counter()
    training.load(torch.load(folder / "state.pt", weights_only=True, mmap=True))
    return _and_a_step(training, begin)


def _load_file(training: Training, folder: Path) -> dict[str, float]:
    begin = time.perf_counter()
    training.load(_nested(load_file(folder / "state.safetensors"), training.state()))
    return _and_a_step(training, begin)


def _dcp_load(training: Training, folder: Path) -> dict[str, float]:
    """It reads into tensors that are there, so the moments are made first; parameters are read in place."""
    begin = time.perf_counter()
    moments = {place: _moments_of(tensor) for place, tensor in enumerate(training.model.parameters())}
    state = training.state()
    state["optimizer"] = {"state": moments, "param_groups": state["optimizer"]["param_groups"]}
    dcp_load(state, checkpoint_id=folder / "state", no_dist=True)
    training.optimizer.load_state_dict(state["optimizer"])
    return _and_a_step(training, begin)


def _moments_of(tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"step": torch.zeros(()), "exp_avg": torch.empty_like(tensor), "exp_avg_sq": torch.empty_like(tensor)}


def _and_a_step(training: Training, begin: float) -> dict[str, float]:
    whole = training.nbytes
    loaded = time.perf_counter()
    training.step()
    end = time.perf_counter()
    if training.nbytes != whole:
        raise RuntimeError("the step had to make moments anew, so not everything was restored")
    return {"all": end - begin, "step": end - loaded}


def _same_vm(training: Training, folder: Path) -> dict[str, float]:
    return _resume(training, folder / "store", None)


def _new_vm(training: Training, folder: Path) -> dict[str, float]:
    shutil.rmtree(folder / "new", ignore_errors=True)
    return _resume(training, folder / "new", FolderRemote(folder / "drive"))


def _resume(training: Training, store: Path, remote: FolderRemote | None) -> dict[str, float]:
    begin = time.perf_counter()
    run = new_run(store, remote)
    found = time.perf_counter()
    run.track(model=training.model, optimizer=training.optimizer)
    tracked = time.perf_counter()
    next(iter(run.steps(_STEPS)))
    timing = {"setup": found - begin, "track": tracked - found, "loop": time.perf_counter() - tracked}
    timing |= _and_a_step(training, begin)
    if run.status().restored is None:
        raise RuntimeError("there was nothing to restore, so nothing was measured")
    run.finish()
    return timing


_TORCH_LOAD, _SAFETENSORS, _DCP_LOAD = "torch.load", "safetensors load_file", "DCP load"
_SAME_VM = "colab_resume, same VM"
_GOALS = {_TORCH_LOAD: 1.0, _SAFETENSORS: 1.2, _DCP_LOAD: 1.0}
_CONTENDERS: Mapping[str, _Restore] = {
    _TORCH_LOAD: _torch_load,
    "torch.load(mmap=True)": _torch_load_mapped,
    _SAFETENSORS: _load_file,
    _DCP_LOAD: _dcp_load,
    _SAME_VM: _same_vm,
    "colab_resume, new VM, from a folder as remote": _new_vm,
}


def _nested(tensors: Mapping[str, torch.Tensor], fresh: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `Training.tensors`, on the parameter groups of the optimizer that is there."""
    model = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    slots: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, place, slot = key.split(".")
            slots[int(place)][slot] = value
    groups = fresh["optimizer"]["param_groups"]
    return {"model": model, "optimizer": {"state": dict(slots), "param_groups": groups}}


def _set_page_cache(folder: Path, *, warm: bool) -> None:
    """Have every file in the page cache, or none; in both cases nothing is left to be written meanwhile."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            if warm:
                deque(iter(partial(stream.read, 1 << 24), b""), maxlen=0)
            else:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


_RATIO = f"{_SAME_VM} ÷ this"
_COLUMNS = {
    "all": "until the first step is done, s",
    "step": "that step alone, s",
    "setup": "setup(): find, fetch, verify, s",
    "track": "track(): read and load, s",
    "loop": "entering the loop, s",
}


def _row(cache: str, name: str, timings: list[dict[str, float]], ours: list[dict[str, float]]) -> Row:
    values = {head: Sample.of(timing[key] for timing in timings) for key, head in _COLUMNS.items() if key in timings[0]}
    ratio = ratios([timing["all"] for timing in ours], [timing["all"] for timing in timings])
    if ratio and timings is not ours:
        values[_RATIO] = ratio
    return Row(group=cache, name=name, values=values)


def _goals(row: Row) -> Iterator[Goal]:
    if row.name in _GOALS:
        text = f"{row.group}: {_SAME_VM}, until the first step is done, ÷ {row.name}"
        yield Goal.at_most(_GOALS[row.name], row.values[_RATIO].median, text)
