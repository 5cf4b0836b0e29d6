"""One cell of the matrix: a training put together from named pieces, killed at moments that its name decides.

Each life is a forked process on an empty disk with the same remote. What must be the same at the end: every tracked
object, the history, and the numbers that the global generators would give next.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trainings  # noqa: F401 - warms torch up, so that forked processes start quickly and use one thread
from matrix.loaders import BOUND_TO_WORKERS
from matrix.loops import LOOPS
from matrix.scene import CADENCES, Moment, Scene
from vm import KILLED, live

import colab_resume
from colab_resume.checkpoints.encoding import encode

__all__ = ["Cell", "check"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`workers` are those of the lives in turn; `kills` says how often it dies."""

    loop: str = "epochs"
    loader: str = "shuffle"
    chance: str = "all three"
    parts: str = "AdamW"
    cadence: str = "every step"
    workers: tuple[int, ...] = (0,)
    kills: int = 2

    @property
    def name(self) -> str:
        """It decides when the cell is killed."""
        workers = "-".join(map(str, self.workers))
        return f"{self.loop}, {self.loader} {workers}, {self.chance}, {self.parts}, {self.cadence}, {self.kills} kills"

    def scene(self, folder: Path, life: int, death: Moment | None) -> Scene:
        return Scene(
            store=folder / f"vm{life}",
            remote=folder / "drive",
            loader=self.loader,
            chance=self.chance,
            parts_name=self.parts,
            cadence=CADENCES[self.cadence],
            workers=self.workers[life % len(self.workers)],
            life=life,
            death=death,
        )

    def play(self, scene: Scene) -> dict[str, Any]:
        """One life to its end."""
        # Torch does not know that the optimizer has stepped in an earlier life.
        warnings.filterwarnings("ignore", r"Detected call of .lr_scheduler.step")
        compared = LOOPS[self.loop](scene)
        scene.run.finish()
        status = scene.run.status()
        return {
            "end": _ending(scene.run, {**compared, **scene.shake.tracked}),
            "moments": scene.moments,
            "restored": status.restored,
            "replay": status.replay,
            "problems": status.problems,
        }


def check(cell: Cell, folder: Path, deaths: Sequence[Moment] | None = None) -> int | None:
    """Assert that the cell ends as if nobody had killed it; `deaths` are chosen by its name if they are not given.

    Returns the step that the last life went on from.
    """
    unkilled = _unkilled(_reference(cell))
    if deaths is None:
        choose, moments = random.Random(cell.name), unkilled["moments"]
        places = sorted(choose.choices(range(len(moments)), k=cell.kills))
        deaths = [(place, step) for place, step in (moments[number] for number in places)]
    what = f"{cell!r}\nkilled at {deaths}"
    for life, death in enumerate(deaths):
        scene = cell.scene(folder, life, death)
        status, _ = live(lambda scene=scene: cell.play(scene))
        assert status == KILLED, f"{what}\nlife {life} ended with status {status} instead"
    status, found = live(lambda: cell.play(cell.scene(folder, len(deaths), None)))
    assert status == 0, f"{what}\nthe last life failed"
    assert found["end"] == unkilled["end"], what
    assert "first difference" not in found["replay"], f"{what}\n{found['replay']}"
    assert not found["problems"], what
    return found["restored"]


def _reference(cell: Cell) -> Cell:
    """The same training, saved only where loops end; cells that differ only in how they die have this in common."""
    workers = cell.workers[:1] if cell.loader in BOUND_TO_WORKERS else (0,)
    return replace(cell, cadence="ends of loops", workers=workers, kills=0)


@cache
def _unkilled(cell: Cell) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        status, found = live(lambda: cell.play(cell.scene(Path(folder), 0, None)))
    assert status == 0, f"{cell!r} fails although nobody kills it"
    return found


def _ending(run: colab_resume.Run, objects: dict[str, Any]) -> dict[str, Any]:
    """Each object as a digest, so that a difference says what is different."""
    return {
        "objects": {name: _digest(_state(thing)) for name, thing in objects.items()},
        "history": [[record.step, record.epoch, record.values] for record in run.history()],
        "next numbers": [torch.rand(1).item(), float(np.random.rand()), random.random()],
    }


def _state(thing: Any) -> Any:
    if isinstance(thing, np.random.Generator):
        return thing.bit_generator.state
    for name in ("state_dict", "get_state", "getstate"):
        if hasattr(thing, name):
            return getattr(thing, name)()
    return thing


def _digest(state: Any) -> str:
    encoded = encode({"": state})
    digest = hashlib.sha256(repr(encoded.tree).encode())
    for piece in encoded.pieces:
        if piece.nbytes:
            digest.update(piece.source.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
