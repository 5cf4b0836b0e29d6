"""The folder of the best model so far, which the Trainer's books point to and which a new VM does not have.

Its files are part of each checkpoint, as bytes that are stored once; on a new VM the folder is there again before the
training begins. What resuming the Trainer by itself would need (optimizer, generators) is left out, so none is pickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .. import files

__all__ = ["BestModel", "moved_here"]

_LEFT_OUT = (".pt", ".pth", "training_args.bin", "trainer_state.json")


class BestModel:
    """Of one trainer."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._known: str | None = None
        self._files: dict[str, torch.Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """The name of the folder, and what is in it."""
        folder = self._trainer.state.best_model_checkpoint
        if folder != self._known:
            self._known, self._files = folder, dict(_files(Path(folder))) if folder else {}
        return {"folder": Path(folder).name if folder else None, "files": self._files}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Make the folder, unless it is there."""
        if saved["folder"] is None:
            return
        folder = Path(moved_here(self._trainer, saved["folder"]))
        for name, content in saved["files"].items():
            files.put(files.inside(folder, name), content)
        self._known, self._files = str(folder), dict(_files(folder))


def moved_here(trainer: Any, folder: str) -> str:
    """Where the Trainer would have put this folder of its own now."""
    return str(Path(trainer.args.output_dir, Path(folder).name))


def _files(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.stat().st_size and not file.name.endswith(_LEFT_OUT):
            yield file.relative_to(folder).as_posix(), files.mapped(file)
