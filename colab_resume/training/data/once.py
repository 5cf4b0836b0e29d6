"""Iterators of which there is only one pass: what was drawn from them is gone.

After a restart they are made anew, and a pass that was begun on them is drawn again from the first item. A second pass
over what the first one has left could not be found again, so it is refused.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from ...errors import UsageError
from .attached import Attached
from .making import has_state

__all__ = ["Once"]

_OURS = 3
"""References to something in a list while it is asked for: the list's, the loop's, and that of the question."""


class Once:
    """Remembers which of them were drawn from and not to their end."""

    def __init__(self) -> None:
        self._drawn: Attached[bool] = Attached()
        self._cannot_be_watched: list[Any] = []

    def begin(self, thing: Any) -> None:
        """A pass over this begins; `UsageError` if it cannot."""
        self._cannot_be_watched = [other for other in self._cannot_be_watched if sys.getrefcount(other) > _OURS]
        if self._drawn.get(thing) or any(other is thing for other in self._cannot_be_watched):
            raise UsageError(
                f"a second pass over a {type(thing).__qualname__} that was drawn from and has something left: after "
                "a restart it is made anew, and nobody would know where this pass began",
                hint="make it anew in each epoch, or draw from one pass inside `for step in run.steps(...)`",
            )

    def drawn(self, thing: Any) -> None:
        """Something was drawn from it."""
        if _is_passed_once(thing):
            self._drawn.set(thing, True)
            if self._drawn.get(thing) is None:  # a zip or map object
                self._cannot_be_watched.append(thing)

    def ended(self, thing: Any) -> None:
        """There is nothing left in it, so a pass over it is empty, now and later."""
        self._drawn.set(thing, False)
        self._cannot_be_watched = [other for other in self._cannot_be_watched if other is not thing]


def _is_passed_once(thing: Any) -> bool:
    kind = type(thing)
    if not hasattr(kind, "__next__") or has_state(thing):
        return False
    opens = getattr(kind, "__iter__", None)
    if not isinstance(opens, FunctionType):  # a generator, a map, a file: they return themselves
        return True
    begins_anew = bool(opens.__code__.co_names)  # `self.at = 0; return self`, and not just `return self`
    return not begins_anew and any(hasattr(type(value), "__next__") for value in vars(thing).values())
