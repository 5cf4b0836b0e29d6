"""Lightning's `Trainer`: `run.attach(trainer)`, and `trainer.fit(...)` goes on where the run stopped.

The promise: what `trainer.fit` ends with, weights, optimizers, schedules, loop counters, logged metrics, callbacks and
the files of `ModelCheckpoint`, does not depend on how often it was killed. The Trainer keeps its own loops; nothing of
them is replaced but the place that its batches come from. Nothing here imports the library, which goes by two names: it
works on what is handed over, and asks for the few private names that it needs.
"""

from __future__ import annotations

from typing import Any

from ..host import Host
from ..trainers import follow
from .following import Following
from .refusing import refuse_inexact

__all__ = ["attach"]


def attach(run: Host, trainer: Any) -> None:
    """Let `run` follow `trainer.fit()`; from now on this run, if it was another. `UsageError` for what cannot be made
    exact."""
    follow(run, trainer, refuse=refuse_inexact, by=Following)
