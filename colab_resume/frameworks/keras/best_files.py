"""The file of the best model so far, which a `ModelCheckpoint(save_best_only=True)` believes to have written.

What such a callback knows of the best value is kept; without the file a new VM would have the value, and never a file
that is as good. So the file is part of each checkpoint, stored once as long as it stays the same, and is there again
where the callback would write it now. It is read when it has changed, for Keras writes over it in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from keras.callbacks import ModelCheckpoint

from .. import files
from .belongings import Belonging

__all__ = ["best_file_of"]


def best_file_of(callback: Any) -> Belonging | None:
    """That of a ModelCheckpoint which keeps the best one, in a folder of this machine's disk whose name is known."""
    if not isinstance(callback, ModelCheckpoint) or not callback.save_best_only or "://" in callback.filepath:
        return None
    return None if "{" in str(Path(callback.filepath).parent) else _BestFile(callback)


class _BestFile:
    """That of one callback."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback
        self._path: Path | None = None
        self._read: tuple[Any, torch.Tensor] | None = None
        decide = callback._should_save_model

        def noting(epoch: Any, batch: Any, logs: Any, filepath: str) -> bool:
            is_better: bool = decide(epoch, batch, logs, filepath)
            if is_better:
                self._path = Path(filepath)
            return is_better

        callback._should_save_model = noting

    def taken(self) -> dict[str, Any]:
        """Its name and its bytes, if there is one."""
        path = self._path
        if path is None or not path.is_file() or not path.stat().st_size:
            return {"name": None, "content": None}
        about = path.stat()
        state = str(path), about.st_ino, about.st_size, about.st_mtime_ns
        if self._read is None or self._read[0] != state:
            self._read = state, torch.from_numpy(np.fromfile(path, np.uint8))
        return {"name": path.name, "content": self._read[1]}

    def put(self, saved: Mapping[str, Any]) -> None:
        """Make it, unless it is there."""
        if saved["name"] is not None:
            self._path = files.inside(Path(self._callback.filepath).parent, saved["name"])
            files.put(self._path, saved["content"])
