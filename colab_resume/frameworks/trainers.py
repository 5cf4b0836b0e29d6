"""A trainer that is handed over once, or again by the cell that runs again: it is followed once, by the newest run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .host import Host

__all__ = ["Follows", "follow"]

_MARK = "_colab_resume"


class Follows(Protocol):
    """Goes along with one trainer, for a run."""

    run: Host

    def take_over(self) -> None:
        """From now on the trainer's methods come by here."""
        ...


def follow(run: Host, trainer: Any, *, refuse: Callable[[Any], None], by: Callable[[Host, Any], Follows]) -> None:
    """Let `run` follow this trainer, in place of another if there was one; `refuse` raises for what is not exact."""
    known: Follows | None = vars(trainer).get(_MARK)
    if known is None:
        refuse(trainer)
        known = vars(trainer)[_MARK] = by(run, trainer)
        known.take_over()
    known.run = run
