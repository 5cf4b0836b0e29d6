"""What a `PyDataset` changes in itself between epochs, such as `self.indexes`, which `on_epoch_end` shuffles.

Attributes that its `on_epoch_begin` and `on_epoch_end` were seen to change belong to the state of the training; all
others are as the user's code makes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from keras.utils import PyDataset

from .attributes import is_kept, kept, mark

__all__ = ["Hooks", "has_hooks"]

_NAMES = ("on_epoch_begin", "on_epoch_end")


def has_hooks(data: Any) -> bool:
    """Whether anything of its own happens between epochs."""
    its_own = (getattr(type(data), name) is not getattr(PyDataset, name) for name in _NAMES)
    return isinstance(data, PyDataset) and any(its_own)


class Hooks:
    """Those of one dataset."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._changed: set[str] = set()

    def epoch_begins(self) -> None:
        """Call the dataset's own method."""
        with self.watched():
            self._data.on_epoch_begin()

    def epoch_ends(self) -> None:
        """Call the dataset's own method."""
        with self.watched():
            self._data.on_epoch_end()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Whatever differs afterwards, the dataset has changed."""
        if not has_hooks(self._data):
            yield
            return
        before = _marks(self._data)
        yield
        after = _marks(self._data)
        self._changed |= {name for name, mark in after.items() if before.get(name) != mark}

    def state(self) -> dict[str, Any]:
        """The attributes that were changed."""
        return {name: kept(vars(self._data)[name]) for name in sorted(self._changed) if name in vars(self._data)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Put them back."""
        vars(self._data).update(state)
        self._changed |= state.keys()


def _marks(data: Any) -> dict[str, Any]:
    """Something short for each attribute that is another when the attribute is."""
    return {name: mark(value) for name, value in vars(data).items() if is_kept(value)}
