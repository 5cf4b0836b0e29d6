"""The top-level loops that are over, and how the generators stood when each of them ended.

The promise: what code draws between two loops (the split for a second phase, say) it draws again when a restart leads
it past the first one. A loop that was left by `break` is over as soon as the code is seen to go on to another one; one
that an exception has left is not, for it will be entered again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..colab.cells import has_cells
from .chance import Chance

__all__ = ["Ended"]

_KEPT = 16
"""Of so many loops one remembers how they ended."""


class Ended:
    """By the names of the loops; passes over data at the top level have one name for all."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._ends: dict[str, Any] = {}
        self._left: dict[str, Any] = {}
        self._left_well: dict[str, Any] = {}

    def reset(self, saved: Mapping[str, Any]) -> None:
        """As it was where the training goes on."""
        self._ends, self._left, self._left_well = dict(saved), {}, {}

    def state(self) -> dict[str, Any]:
        """How the generators stood at each end."""
        return dict(self._ends)

    def ends(self, name: str) -> None:
        """This loop has run to its end."""
        self._note(name, self._chance.now())

    def left(self, name: str) -> None:
        """It was left before its end, and nobody knows yet whether by `break`."""
        self._left[name] = self._chance.now()

    def cell_begins(self) -> None:
        """In a notebook: the cell in which loops were left has ended, and by no exception."""
        self._left_well, self._left = {**self._left_well, **self._left}, {}

    def failed(self) -> None:
        """What has left these loops was an exception, and has ended the cell of a notebook."""
        self._left.clear()

    def gone_on(self) -> list[str]:
        """The code is about to enter another loop: the names of those that it has left for good."""
        if hasattr(sys, "ps1") and not has_cells():
            return []  # typed line by line at Python's own prompt, which tells nobody how a line has ended
        found, self._left, self._left_well = {**self._left_well, **self._left}, {}, {}
        for name, chance in found.items():
            self._note(name, chance)
        return list(found)

    def pass_by(self, name: str) -> None:
        """The code is led past this loop: what it draws behind it, it drew before."""
        if name in self._ends:
            self._chance.put_back(self._ends[name])

    def _note(self, name: str, chance: Any) -> None:
        self._ends.pop(name, None)
        self._ends[name] = chance
        for old in list(self._ends)[:-_KEPT]:
            del self._ends[old]
