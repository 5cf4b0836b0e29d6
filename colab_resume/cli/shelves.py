"""The folders of other programs that a run keeps: every set of them proved, where the run is a folder here."""

from __future__ import annotations

from collections.abc import Callable
from io import RawIOBase
from typing import Any, BinaryIO, cast

from ..errors import DamagedCheckpoint
from ..folders.sets import FileSet
from ..folders.shelf import Shelf
from .runs import FoundRun

__all__ = ["KeptFolder", "kept_folders"]


class KeptFolder:
    """One of them, at one moment; each content is read once, however many sets share it."""

    def __init__(self, run: FoundRun, name: str) -> None:
        self.name = name
        self._shelf = Shelf(run.remote, name)
        self._shelf.refresh()
        self._flaws: dict[str, str] = {}

    @property
    def size(self) -> int:
        """The bytes of all contents that its sets name."""
        contents = {blob: file.size for one in self.sets for blob, file in one.contents.items()}
        return sum(contents.values())

    @property
    def sets(self) -> list[FileSet]:
        """Those that can be read, the newest first."""
        return sorted(self._shelf.sets.values(), key=lambda one: one.rank, reverse=True)

    @property
    def unreadable(self) -> dict[str, str]:
        """The others by name, each with the reason."""
        return {name: error.what for name, error in self._shelf.unreadable.items()}

    def is_there(self, one: FileSet) -> bool:
        """Whether this set has not been deleted meanwhile."""
        self._shelf.refresh()
        return one.name in self._shelf.sets

    def flaw(self, one: FileSet, progress: Callable[[int], None]) -> str:
        """What is wrong with a set; empty if every byte is as it was."""
        if lacking := self._shelf.lacking(one):
            return f"{lacking[0].path} is not there as a whole"
        for blob, file in one.contents.items():
            if blob not in self._flaws:
                try:
                    self._shelf.get_content(file, cast("BinaryIO", _Nowhere()), progress)
                    self._flaws[blob] = ""
                except DamagedCheckpoint as error:
                    self._flaws[blob] = error.what
            if self._flaws[blob]:
                return self._flaws[blob]
        return ""


class _Nowhere(RawIOBase):
    """Keeps nothing of what is written to it."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def kept_folders(run: FoundRun) -> list[KeptFolder]:
    """By name; over a network nobody says which there are."""
    above = run.place.folder / "folders" if run.place.folder is not None else None
    if above is None or not above.is_dir():
        return []
    return [KeptFolder(run, path.name) for path in sorted(above.iterdir()) if path.is_dir()]
