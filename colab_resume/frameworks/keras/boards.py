"""The event files of Keras's TensorBoard callback: on each VM as they were where the training goes on.

Its writers are TensorFlow's. Their files get a mark at the end of their names, so that those which lost steps have
begun are known, and are gone before these steps write again. They lie in the callback's folder, also where that has
another name now. What a `fit` writes of the model when it begins, it writes once more after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from keras.callbacks import TensorBoard

from ...errors import DamagedCheckpoint
from ...training.objects.grown import GrowingFile
from ...training.objects.logs import leads_out
from .belongings import Belonging

__all__ = ["board_of"]


def board_of(callback: Any) -> Belonging | None:
    """That of a TensorBoard callback which writes to this machine's disk."""
    is_here = isinstance(callback, TensorBoard) and "://" not in callback.log_dir
    return _Board(callback) if is_here else None


class _Board:
    """Those of one callback."""

    def __init__(self, callback: Any) -> None:
        self.mark = uuid4().hex[:8]
        self._callback = callback
        self._files: dict[Path, GrowingFile] = {}
        callback._summary_module = _Marking(callback.summary, self)

    def taken(self) -> dict[str, Any]:
        """What is in the files."""
        for writer in self._callback._writers.values():
            writer.flush()
        self._files = {path: self._files.get(path) or GrowingFile(path) for path in self._own()}
        files = {path.relative_to(self._folder).as_posix(): file.taken() for path, file in self._files.items()}
        return {"mark": self.mark, "files": files}

    def put(self, saved: Mapping[str, Any]) -> None:
        """Let the files hold what they held; those that were begun later are gone."""
        if lines := leads_out(saved["files"]):
            raise DamagedCheckpoint("; ".join(lines), hint="use an older checkpoint")
        for writer in self._callback._writers.values():
            writer.close()
        self._callback._writers = {}
        begun = self._own()
        self.mark = saved["mark"]
        files = {self._folder / name: pieces for name, pieces in saved["files"].items()}
        for path in {*begun, *self._own()} - files.keys():
            path.unlink()
        self._files = {path: GrowingFile(path) for path in files}
        for path, file in self._files.items():
            file.put(files[path])

    @property
    def _folder(self) -> Path:
        return Path(self._callback.log_dir).absolute()

    def _own(self) -> list[Path]:
        return sorted(self._folder.glob(f"*/events.out.tfevents.*.{self.mark}.v2"))


class _Marking:
    """TensorFlow's summaries; files that are begun get the mark that the board has then."""

    def __init__(self, summaries: Any, board: _Board) -> None:
        self._summaries = summaries
        self._board = board

    def __getattr__(self, name: str) -> Any:
        return getattr(self._summaries, name)

    def create_file_writer(self, folder: str) -> Any:
        return self._summaries.create_file_writer(folder, filename_suffix=f".{self._board.mark}.v2")
