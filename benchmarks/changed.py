"""How many bytes a checkpoint writes and sends, against those that really changed since the one before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from colab_resume.remotes.folder import FolderRemote

from .findings import Findings, Goal, Row, Sample
from .settings import Settings
from .training import Training
from .ways import RunSaver, new_run

__all__ = ["measure_changed", "trainings"]

_WIDTH = 2048
_CLASSES = 100
_RANK = 8
_SAVES = 3
_ALL, _FROZEN, _LORA = "everything is trained", "a frozen backbone and a trained head", f"LoRA, r = {_RANK}"
_LIMITS = {_ALL: 1.005, _FROZEN: 1.02, _LORA: 1.02}  # the first is 1.00 as it is printed


class _Adapted(torch.nn.Module):
    """A frozen linear layer and its low-rank update."""

    def __init__(self) -> None:
        super().__init__()
        self.base = torch.nn.Linear(_WIDTH, _WIDTH).requires_grad_(False)
        self.down = torch.nn.Linear(_WIDTH, _RANK, bias=False)
        self.up = torch.nn.Linear(_RANK, _WIDTH, bias=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        adapted: torch.Tensor = self.base(inputs) + self.up(self.down(inputs))
        return adapted


def trainings(settings: Settings) -> int:  # noqa: ARG001 - as all sections are asked
    """How many trainings will be made."""
    return len(_LIMITS)


def measure_changed(settings: Settings, folder: Path, tick: Callable[[], object]) -> Findings:
    """Train each, make checkpoints, count what appears here and there; `tick` is called after each."""
    makers: dict[str, Callable[[int], Training]] = {_ALL: Training.of_megabytes, _FROZEN: _frozen, _LORA: _lora}
    rows: list[Row] = []
    goals: list[Goal] = []
    for number, (name, make) in enumerate(makers.items()):
        rows.append(_row(name, make(settings.megabytes), folder / str(number)))
        for done in ("written", "sent"):
            ratio = rows[-1].values[f"{done} ÷ changed"].median
            goals.append(Goal.at_most(_LIMITS[name], ratio, f"{name}: bytes {done} for a checkpoint, ÷ bytes changed"))
        tick()
    return Findings(rows=rows, goals=goals)


def _layers(megabytes: int) -> int:
    """Parameters that are frozen have no moments."""
    return max(1, round(megabytes * 1e6 / (4 * _WIDTH * (_WIDTH + 1))))


def _frozen(megabytes: int) -> Training:
    backbone = torch.nn.Sequential(*(torch.nn.Linear(_WIDTH, _WIDTH) for _ in range(_layers(megabytes))))
    model = torch.nn.Sequential(backbone.requires_grad_(False), torch.nn.Linear(_WIDTH, _CLASSES))
    return Training(model, width=_WIDTH)


def _lora(megabytes: int) -> Training:
    return Training(torch.nn.Sequential(*(_Adapted() for _ in range(_layers(megabytes)))), width=_WIDTH)


def _row(name: str, training: Training, folder: Path) -> Row:
    training.step()
    remote, store = folder / "drive", folder / "store"
    saver = RunSaver(training, folder, new_run(store, FolderRemote(remote)))
    _checkpoint(saver, 0)
    changed, written, sent = [], [], []
    for number in range(1, _SAVES + 1):
        before = {key: tensor.clone() for key, tensor in training.tensors().items()}
        here, there = _files(store), _files(remote)
        training.step()
        _checkpoint(saver, number)
        changed.append(_bytes_that_differ(before, training.tensors()))
        written.append(_new_bytes(here, _files(store)))
        sent.append(_new_bytes(there, _files(remote)))
    saver.run.finish()
    values = {
        "state, MB": Sample.of([training.nbytes / 1e6]),
        "changed, MB": Sample.of(count / 1e6 for count in changed),
        "written, MB": Sample.of(count / 1e6 for count in written),
        "sent, MB": Sample.of(count / 1e6 for count in sent),
        "written ÷ changed": Sample.of(one / all_ for one, all_ in zip(written, changed, strict=True)),
        "sent ÷ changed": Sample.of(one / all_ for one, all_ in zip(sent, changed, strict=True)),
    }
    return Row(group="a checkpoint, one step after the one before", name=name, values=values)


def _checkpoint(saver: RunSaver, number: int) -> None:
    saver.save(number)
    next(saver.turns)
    while saver.is_busy():
        saver.run.flush()
    saver.run.flush()


def _bytes_that_differ(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> int:
    same = {key for key, tensor in after.items() if key in before and torch.equal(tensor, before[key])}
    return sum(tensor.nbytes for key, tensor in after.items() if key not in same)


def _files(folder: Path) -> dict[Path, int]:
    """A checkpoint's own files; names are never used twice."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.parent.name in ("packs", "checkpoints")}


def _new_bytes(before: dict[Path, int], after: dict[Path, int]) -> int:
    return sum(size for path, size in after.items() if path not in before and path.is_file())
