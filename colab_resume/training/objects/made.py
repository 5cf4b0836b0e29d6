"""Which tracked objects were made inside a loop, and whether what was saved of them belongs to what is tracked later.

A logger that is made anew in each epoch begins empty; a teacher that was made in epoch 3 and lives on does not. Both
are tracked by the same call, so it is learned from the epochs: what is made anew stands for another object in the next
one, what lives on does not. Until an epoch has shown which it is, nobody can know, and guessing would go on
differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import StateMismatch

__all__ = ["Made"]

_ANEW = -1
_KNOWN_TO_LIVE_ON = 2
"""Epoch ends: that of the one it was made in, and that of the next, in which it was not made again."""


class Made:
    """For each name that was first tracked inside a loop: how many epochs have ended since, or that it is made anew."""

    def __init__(self, saved: Mapping[str, int] | None = None) -> None:
        self._ages = dict(saved or {})
        self._restored = dict(self._ages)

    @property
    def names(self) -> set[str]:
        """What was first tracked inside a loop."""
        return set(self._ages)

    def may_live_on(self, name: str) -> bool:
        """Whether what was restored under this name may have outlived the epoch it was made in."""
        return self._restored.get(name, 0) > 0

    @property
    def is_unclear(self) -> bool:
        """Whether this is the end of the epoch in which something was made for the first time."""
        return 1 in self._ages.values()

    def note(self, name: str, *, known: bool, replaced: bool) -> None:
        """It is tracked inside a loop; `known`: not for the first time; `replaced`: it stood for another object."""
        if replaced:
            self._ages[name] = _ANEW
        elif not known:
            self._ages.setdefault(name, 0)

    def end_epoch(self) -> None:
        """An epoch has ended."""
        self._ages = {name: age if age == _ANEW else age + 1 for name, age in self._ages.items()}

    def belongs(self, name: str) -> bool:
        """Whether the restored state belongs to what is tracked under this name past the restored position."""
        age = self._restored.get(name, _KNOWN_TO_LIVE_ON)
        if age == 1:
            raise StateMismatch(
                f"{name} was tracked for the first time in the epoch before the restart: whether it lives on or is "
                "made anew in each epoch, nobody can know yet",
                hint=f"make {name} and track it before the loop",
            )
        return age != _ANEW

    def state(self) -> dict[str, Any]:
        """What is known, to be given to a new one after a restart."""
        return {name: min(age, _KNOWN_TO_LIVE_ON) for name, age in self._ages.items()}
