"""How far the open loops are, as the display shows it; may be asked from any thread."""

from __future__ import annotations

from collections.abc import Sequence

from ..status import Progress
from .cursor import Loop

__all__ = ["progress_of"]


def progress_of(loops: Sequence[Loop], pace: float) -> Progress:
    """Of these loops, which are inside each other, the outermost first; `pace` is seconds a step, 0.0 if unknown."""
    epochs = next((loop for loop in loops if loop.frame.kind == "epochs"), None)
    owner = next((loop for loop in loops if loop.frame.kind != "epochs"), None)
    steps = owner is not None and owner.frame.kind == "steps"
    return Progress(
        epoch=epochs.frame.index if epochs is not None else None,
        epochs=epochs.size if epochs is not None else None,
        batch=owner.frame.index if owner is not None else None,
        batches=owner.size if owner is not None else None,
        steps=owner.size if steps and owner is not None else None,
        seconds_per_step=pace or None,
    )
