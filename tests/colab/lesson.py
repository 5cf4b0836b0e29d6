"""The training that the stories are told of, as a notebook has it: a module for the objects, a cell for the loop.

Small, and with all that must come back: shuffling, augmentation that draws from three generators, dropout, AdamW, a
scheduler, a validation after each epoch that draws, too. It writes down where it is in a file that outlives a kernel
and a full disk, but not the VM, and can be met at a place: there it waits a moment, so that something can happen to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from traceback import walk_stack
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from colab_resume import Run
from colab_resume.checkpoints.encoding import encode

__all__ = ["CELL", "EPOCHS", "PLACES", "STEPS", "TOLD", "Lesson"]

EPOCHS = 4
_ROWS, _BATCH = 24, 4
STEPS = EPOCHS * _ROWS // _BATCH
TOLD = "/dev/shm/told"
"""One JSON object a line."""
PLACES = ("before setup", "set up", "tracked", "step", "stepped", "validation", "after the loops")
_MOMENT = 0.4

_THREADS = {thread.ident for thread in threading.enumerate()}

CELL = """
import colab_resume
from colab.lesson import EPOCHS, Lesson
lesson = Lesson(**{plan})
lesson.at("before setup")
{setup}
lesson.at("set up", run)
run.track(**lesson.objects)
lesson.at("tracked", run)
for epoch in run.epochs(EPOCHS):
    for rows, kinds in run.batches(lesson.loader):
        lesson.at("step", run)
        loss = lesson.step(rows, kinds)
        run.log(loss=loss, rate=lesson.optimizer.param_groups[0]["lr"])
        lesson.at("stepped", run)
    lesson.scheduler.step()
    lesson.at("validation", run)
    run.log(validation=lesson.validate())
lesson.at("after the loops", run)
run.finish()
lesson.end(run)
"""


class _Rows(Dataset[tuple[Tensor, int]]):
    """Rows that look different each time they are read."""

    def __init__(self) -> None:
        self._rows = torch.randn(_ROWS, 8, generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return _ROWS

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row = self._rows[index]
        noise = 0.1 * torch.randn(8) + random.gauss(0, 0.1) + float(np.random.normal(0, 0.1))
        return row + noise, int(row.sum() > 0)


class Lesson:
    """The objects of one run of the cell. `meet`: the places to wait at, as (place, how often it was passed by then);
    `fail`: those to fail at. `pace`: seconds that a step takes beside its work."""

    def __init__(
        self,
        *,
        workers: int = 0,
        start_method: str | None = None,
        pace: float = 0.0,
        meet: list[list[Any]] | None = None,
        fail: list[list[Any]] | None = None,
    ) -> None:
        torch.manual_seed(7)
        np.random.seed(7)
        random.seed(7)
        self.model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), 0.02)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 1, 0.7)
        self.loader = DataLoader(
            _Rows(),
            _BATCH,
            shuffle=True,
            num_workers=workers,
            multiprocessing_context=start_method if workers else None,
        )
        self._pace = pace
        self._meet = meet or []
        self._fail = fail or []
        self._passed: dict[str, int] = {}

    @property
    def objects(self) -> dict[str, Any]:
        """What is tracked."""
        return {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}

    def step(self, rows: Tensor, kinds: Tensor) -> Tensor:
        """One step of the training."""
        self.model.train()
        rows = rows * (1 + 0.01 * float(np.random.normal())) * (1 if random.random() < 0.5 else -1)
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(rows), kinds)
        loss.backward()
        self.optimizer.step()
        if self._pace:
            time.sleep(self._pace)
        return loss

    def validate(self) -> float:
        """On rows that are drawn."""
        self.model.eval()
        with torch.no_grad():
            return float(self.model(torch.randn(16, 8)).square().mean())

    def at(self, place: str, run: Run | None = None) -> None:
        """Here the training is now; here it may be met, or fail."""
        self._passed[place] = self._passed.get(place, 0) + 1
        here = [place, self._passed[place]]
        status = run.status() if run is not None else None
        seen = {} if status is None else {"session": status.session, "kind": status.lives[-1].why, "step": status.step}
        _tell({"at": here, "pid": os.getpid(), **seen})
        if here in self._fail:
            raise RuntimeError(f"a mistake of the user's at {here}")
        if here in self._meet:
            time.sleep(_MOMENT)

    def end(self, run: Run) -> None:
        """The result, and what is left over.

        The traceback of a loop that was left is kept by IPython, and keeps the loop's loader with its workers: those
        are none of ours.
        """
        left = hasattr(sys, "last_value")
        new = [thread for thread in threading.enumerate() if thread.ident not in _THREADS]
        threads = [_told_of(one) for one in new if not (left and one.name == "QueueFeederThread")]
        result = {
            "digest": digest(self.objects),
            "history": [[one.step, one.epoch, one.values] for one in run.history()],
        }
        numbers = [torch.rand(1).item(), float(np.random.rand()), random.random()]
        _tell({"result": {**result, "numbers": numbers}, "threads": threads, "children": [] if left else _children()})


def digest(objects: Mapping[str, Any]) -> str:
    """Of every bit of their states."""
    found = hashlib.sha256()
    encoded = encode({name: thing.state_dict() for name, thing in objects.items()})
    for piece in encoded.pieces:
        found.update(piece.source.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if piece.nbytes else b"")
    found.update(repr(encoded.tree).encode())
    return found.hexdigest()


def _tell(what: dict[str, Any]) -> None:
    with Path(TOLD).open("a") as told:
        told.write(json.dumps(what) + "\n")


def _told_of(thread: threading.Thread) -> str:
    """Which one it is and where it is, the innermost function first."""
    frame = sys._current_frames().get(thread.ident or 0)
    return f"{thread.name} in {', '.join(one.f_code.co_qualname for one, _ in walk_stack(frame))}"


def _children() -> list[str]:
    """Processes that this one has started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return found
