"""The files of `ModelCheckpoint`, and what it knows of them: the best so far, the worst of those that are kept.

They are part of each checkpoint, as bytes that are stored once; on a new VM they are in its folder again, wherever that
is now. Files that steps have written which are lost are set aside: else the same steps would choose other names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ...display.text import warn
from ...training.objects.plain import copied
from .. import files
from ..callbacks import by_kind
from .callbacks import checkpoints_of

__all__ = ["KeptCheckpoints"]

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path", "_last_checkpoint_saved")
_VALUES = ("best_model_score", "current_score", "kth_value", "_last_global_step_saved", "_defer_save_until_validation")
_SCORES = "best_k_models"
_ASIDE = "lost steps"


class KeptCheckpoints:
    """Of all such callbacks of one trainer."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._mapped: dict[str, tuple[Any, torch.Tensor]] = {}

    def state_dict(self) -> dict[str, Any]:
        """By callback its files and what it knows of them."""
        return {key: self._state_of(callback) for key, callback in by_kind(checkpoints_of(self._trainer))}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Make the files, unless they are there, and let the callbacks know of them."""
        for key, callback in by_kind(checkpoints_of(self._trainer)):
            if key in saved:
                self._load(callback, saved[key])

    def _state_of(self, callback: Any) -> dict[str, Any]:
        folder = _folder(callback)
        return {
            "values": {name: getattr(callback, name) for name in _VALUES if hasattr(callback, name)},
            "paths": {name: _away(getattr(callback, name), folder) for name in _PATHS if hasattr(callback, name)},
            "scores": [[_away(path, folder), score] for path, score in getattr(callback, _SCORES).items()],
            "files": dict(self._files(callback, folder)) if folder else {},
            "there": [name for name, _ in _written(callback, folder)] if folder else [],
        }

    def _load(self, callback: Any, saved: dict[str, Any]) -> None:
        folder = _folder(callback)
        for name, value in copied(saved["values"]).items():
            setattr(callback, name, value)
        for name, path in saved["paths"].items():
            setattr(callback, name, _home(path, folder))
        setattr(callback, _SCORES, {_home(path, folder): copied(score) for path, score in saved["scores"]})
        if folder is None:
            return
        for name, file in list(_written(callback, folder)):
            if name not in saved["there"]:
                _set_aside(folder, name, file)
        for name, content in saved["files"].items():
            _make(files.inside(folder, name), content)

    def _files(self, callback: Any, folder: Path) -> Iterator[tuple[str, Any]]:
        known = {getattr(callback, name, "") for name in _PATHS} | getattr(callback, _SCORES).keys()
        for path in sorted(path for path in known if path):
            inside, name = _away(path, folder)
            if inside and (content := self._content(Path(path))) is not None:
                yield name, content

    def _content(self, file: Path) -> Any:
        if file.is_symlink():
            return str(file.readlink())
        if not file.is_file() or not file.stat().st_size:
            return None
        about = file.stat()
        state = about.st_ino, about.st_size, about.st_mtime_ns
        if self._mapped.get(str(file), (None,))[0] != state:
            self._mapped[str(file)] = state, files.mapped(file)
        return self._mapped[str(file)][1]


def _folder(callback: Any) -> Path | None:
    """Where its files are; None if that is no place of this machine's own, where they outlive it."""
    folder = callback.dirpath
    return None if not folder or "://" in str(folder) else Path(folder)


def _written(callback: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob(f"*{callback.FILE_EXTENSION}")):
        name = file.relative_to(folder).as_posix()
        if not name.startswith(f"{_ASIDE}/"):
            yield name, file


def _set_aside(folder: Path, name: str, file: Path) -> None:
    place = folder / _ASIDE / name
    place.parent.mkdir(parents=True, exist_ok=True)
    file.replace(place)
    warn(f"{file} was written by steps that are lost, which run again now; it is in {place.parent}")


def _make(file: Path, content: Any) -> None:
    if not isinstance(content, str):
        files.put(file, content)
    elif not file.is_symlink() or str(file.readlink()) != content:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.symlink_to(files.inside(file.parent, content).relative_to(file.parent))


def _away(path: str, folder: Path | None) -> list[Any]:
    """A path as it can be understood elsewhere: whether it is inside the folder, and where."""
    if path and folder is not None and folder in Path(path).parents:
        return [True, Path(path).relative_to(folder).as_posix()]
    return [False, path]


def _home(path: list[Any], folder: Path | None) -> str:
    inside, name = path
    return str(files.inside(folder, name)) if inside and folder is not None else name
