"""Files of models that the loop writes by itself, `torch.save(..., "best.pt")`, on a disk that goes with the VM.

They are in no checkpoint: a new VM goes on with the training, and at its end the best model is missing. They are looked
for where people write them, in the working folder and the folders in it; what is mounted there, as Drive is, survives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

__all__ = ["Strays"]

_OF_MODELS = (".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras")
_FOLDERS, _FILES = 64, 1000
"""So many are looked at, and in each so many: data may lie there, too."""
_NAMED = 3


class Strays:
    """`disk`: a place on the disk that goes. `mirrored` gives the folders from which files come back.

    `now` tells the time since 1970.
    """

    def __init__(
        self, disk: Path, mirrored: Callable[[], Collection[Path]], *, now: Callable[[], float] = time.time
    ) -> None:
        self._disk = disk
        self._mirrored = mirrored
        self._now = now
        self._since: float | None = None

    def found(self) -> str:
        """What the loop has written since this was asked first, in words; empty if nothing."""
        if self._since is None:
            self._since = self._now()
            return ""
        mirrored = {folder.resolve() for folder in self._mirrored()}
        names = sorted(_written(Path.cwd(), self._since, mirrored, self._disk.stat().st_dev))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


def _written(top: Path, since: float, mirrored: Collection[Path], device: int) -> Iterator[str]:
    for folder in (top, *islice(_folders_in(top), _FOLDERS)):
        with suppress(OSError):  # it has gone meanwhile, or nobody may look
            if folder.stat().st_dev == device and not _is_in(folder, mirrored):
                yield from (str((folder / name).relative_to(top)) for name in _models_in(folder, since))


def _folders_in(top: Path) -> Iterator[Path]:
    with os.scandir(top) as entries:
        yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _models_in(folder: Path, since: float) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in islice(entries, _FILES):
            if entry.name.endswith(_OF_MODELS) and entry.is_file() and entry.stat().st_mtime >= since:
                yield entry.name


def _is_in(folder: Path, others: Collection[Path]) -> bool:
    return any(folder.resolve().is_relative_to(other) for other in others)
