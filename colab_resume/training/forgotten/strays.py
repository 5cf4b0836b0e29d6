"""Files of models that the loop writes by itself, `torch.save(..., "best.pt")`, on a disk that goes with the VM.

They are in no checkpoint: a new VM goes on with the training, and at its end the best model is missing, or is another
one where the code writes one before the loop, too. They are looked for where people write them: in the working folder,
in that for temporary files, and in the folders in these. What is mounted there, as Drive is, survives.
"""

from __future__ import annotations

import os
import tempfile
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
        here, device = Path.cwd(), self._disk.stat().st_dev
        paths = [*_written(here, self._since, device), *_written(Path(tempfile.gettempdir()), self._since, device)]
        lost = {path for path in paths if not _is_in(path, mirrored)}
        names = sorted(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in lost)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return ", ".join(names[:_NAMED]) + more


def _written(top: Path, since: float, device: int) -> Iterator[Path]:
    for folder in (top, *islice(_folders_in(top), _FOLDERS)):
        with suppress(OSError):  # it has gone meanwhile, or nobody may look
            if folder.stat().st_dev == device:
                yield from _models_in(folder, since)


def _folders_in(top: Path) -> Iterator[Path]:
    with os.scandir(top) as entries:
        yield from (Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def _models_in(folder: Path, since: float) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in islice(entries, _FILES):
            if entry.name.endswith(_OF_MODELS) and entry.is_file() and entry.stat().st_mtime >= since:
                yield Path(entry.path)


def _is_in(path: Path, folders: Collection[Path]) -> bool:
    return any(path.resolve().is_relative_to(folder) for folder in folders)
