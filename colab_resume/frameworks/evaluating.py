"""An evaluation in the course of a training that draws nothing the training would miss.

How much it draws depends on whether its workers have been started before, so on restarts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ..training.data import randomness

__all__ = ["without_trace"]


def without_trace(evaluate: Callable[..., Any], *, while_: Callable[[], bool]) -> Callable[..., Any]:
    """The same, but `while_` a training runs the generators stand afterwards as they stood before."""

    @wraps(evaluate)
    def traceless(*args: Any, **options: Any) -> Any:
        before = randomness.capture() if while_() else None
        try:
            return evaluate(*args, **options)
        finally:
            if before is not None:
                randomness.restore(before)

    return traceless
