"""The file of the best model so far, which a `ModelCheckpoint(save_best_only=True)` believes to have written.

What such a callback knows of the best value is kept; without the file a new VM would have the value, and never a file
that is as good. So the file is part of each checkpoint, stored once as long as it stays the same, and is there again
where the callback would write it now. It is read when it has changed, for Keras writes over it in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from keras.callbacks import ModelCheckpoint

from ...training.data.attached import Attached
from .. import files

__all__ = ["BestFiles"]


class BestFiles:
    """Those of all callbacks of a model's fits."""

    def __init__(self) -> None:
        self._known: Attached[_BestFile] = Attached()

    def meet(self, callbacks: Iterable[Any]) -> None:
        """A `fit` is about to begin with these."""
        for callback in callbacks:
            if _writes_the_best(callback) and self._known.get(callback) is None:
                self._known.set(callback, _BestFile(callback))

    def taken(self, callbacks: Iterable[Any]) -> list[dict[str, Any]]:
        """The file of each, by its name."""
        return [file.taken() for file in self._of(callbacks)]

    def put(self, saved: Iterable[Mapping[str, Any]], callbacks: Iterable[Any]) -> None:
        """Make the files, unless they are there."""
        for file, its in zip(self._of(callbacks), saved, strict=False):
            file.put(its)

    def _of(self, callbacks: Iterable[Any]) -> Iterator[_BestFile]:
        return (file for callback in callbacks if (file := self._known.get(callback)) is not None)


def _writes_the_best(callback: Any) -> bool:
    is_one = isinstance(callback, ModelCheckpoint) and callback.save_best_only
    return is_one and "://" not in callback.filepath and "{" not in str(Path(callback.filepath).parent)


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
        path = self._path
        if path is None or not path.is_file() or not path.stat().st_size:
            return {"name": None, "content": None}
        about = path.stat()
        state = str(path), about.st_ino, about.st_size, about.st_mtime_ns
        if self._read is None or self._read[0] != state:
            self._read = state, torch.from_numpy(np.fromfile(path, np.uint8))
        return {"name": path.name, "content": self._read[1]}

    def put(self, saved: Mapping[str, Any]) -> None:
        if saved["name"] is not None:
            self._path = files.inside(Path(self._callback.filepath).parent, saved["name"])
            files.put(self._path, saved["content"])
