"""Hugging Face's `Trainer`: `run.attach(trainer)`, and `trainer.train()` goes on where the run stopped.

The promise: what `trainer.train()` ends with, weights, optimizer, schedule, `trainer.state` and callbacks, does not
depend on how often it was killed. The Trainer keeps its own loop and its own books; nothing of it is replaced but the
loader of its training data and the place from where it begins. Nothing here imports the library: it works on what is
handed over, through what is public in it, and asks for the few private names that it needs.
"""

from __future__ import annotations

from typing import Any

from ..host import Host
from ..trainers import follow
from .following import Following
from .refusing import refuse_inexact

__all__ = ["attach"]


def attach(run: Host, trainer: Any) -> None:
    """Let `run` follow `trainer.train()`; from now on this run, if it was another. `UsageError` for what cannot be
    made exact."""
    follow(run, trainer, refuse=refuse_inexact, by=Following)
