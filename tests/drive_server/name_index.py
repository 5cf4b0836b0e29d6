"""The index that answers lists by name: it learns of creations, renames and deletions late, as Drive's does.

A change shows after `lists` further lists by name, or after `seconds` by the clock, whichever comes first, or when a
test calls `settle`. Both are counted, never drawn, so a test sees the same on every run. Lists by parent do not use it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .items import Item

__all__ = ["NameIndex"]


@dataclass(frozen=True)
class _Change:
    file_id: str
    item: Item | None
    time: float
    lists: int


class NameIndex:
    """Files as they were when the index last heard of them; callers hold the account's lock."""

    def __init__(self, clock: Callable[[], float], *, lists: int = 3, seconds: float = 300.0) -> None:
        self._clock = clock
        self._known: dict[str, Item] = {}
        self._changes: deque[_Change] = deque()
        self._asked = 0
        self.lists = lists
        self.seconds = seconds
        self.lags = True

    def note(self, file_id: str, item: Item | None) -> None:
        """`None`: the file is gone."""
        self._changes.append(_Change(file_id, item, self._clock(), self._asked))

    def look(self) -> dict[str, Item]:
        """What a list by name sees; asking moves the index on."""
        while self._changes and (not self.lags or self._due(self._changes[0])):
            self._apply(self._changes.popleft())
        self._asked += 1
        return dict(self._known)

    def settle(self) -> None:
        """From now on lists by name see all that has happened so far."""
        while self._changes:
            self._apply(self._changes.popleft())

    def _due(self, change: _Change) -> bool:
        return self._asked - change.lists >= self.lists or self._clock() - change.time >= self.seconds

    def _apply(self, change: _Change) -> None:
        if change.item is None:
            self._known.pop(change.file_id, None)
        else:
            self._known[change.file_id] = change.item
