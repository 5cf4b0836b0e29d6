"""Keras 3: `run.attach(model)`, and then `model.fit(...)` as always, as often as wanted.

The promise: a `fit` that is killed anywhere goes on in the same epoch at the same batch, and ends with the weights, the
optimizer, the metrics, the History and the callbacks of one that was never killed.
"""

from __future__ import annotations

from typing import Any

from ..host import Host
from .fitting import Fitting

__all__ = ["attach"]


def attach(run: Host, model: Any) -> None:
    """Let `model.fit` be a part of the run."""
    Fitting(run, model).begin()
