"""Hugging Face's `Trainer`: `run.attach(trainer)`, and `trainer.train()` goes on where the run stopped.

The promise: what `trainer.train()` ends with, weights, optimizer, schedule, `trainer.state` and callbacks, does not
depend on how often it was killed. The Trainer keeps its own loop and its own books; nothing of it is replaced but the
loader of its training data and the place from where it begins. Nothing here imports the library: it works on what is
handed over, through what is public in it, and asks for the few private names that it needs.
"""

from __future__ import annotations

from typing import Any

from ...errors import UsageError
from .. import FollowedRun
from .following import Following
from .refusing import refuse_inexact

__all__ = ["attach"]

_MARK = "_colab_resume"


def attach(run: FollowedRun, trainer: Any) -> None:
    """Let `run` follow `trainer.train()`; again is harmless. `UsageError` for what cannot be made exact."""
    known = vars(trainer).get(_MARK)
    if known is not None and known is not run:
        raise UsageError(
            f"this Trainer is attached to run {known.name!r} already", hint="make a Trainer of its own for each run"
        )
    if known is not None:
        return
    refuse_inexact(trainer)
    vars(trainer)[_MARK] = run
    Following(run, trainer).take_over()
