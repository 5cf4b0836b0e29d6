"""Variables that stand for another object than the one that is tracked under their name.

Whoever runs the cell again that makes the model, and not the one with `run.track`, would train the new model while
checkpoints hold the old one. Nothing of such a training would survive, so it is refused before its first step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import FrameType
from typing import Any

import torch

from .carried import body_at, carried

__all__ = ["replaced"]


def replaced(frame: FrameType, tracked: Mapping[str, Any], covered: Collection[int]) -> list[str]:
    """Their names, as far as the loop in `frame` reads them; `covered`: the identities of all that is kept."""
    if (body := body_at(frame)) is None:
        return []
    return [
        name
        for name, thing in carried(frame, body).items()
        if name in tracked and id(thing) not in covered and _takes_its_place(thing, tracked[name], covered)
    ]


def _takes_its_place(thing: Any, old: Any, covered: Collection[int]) -> bool:
    """Of the same class, which may have been defined anew in between; and it is not made of what is kept."""
    if (type(thing).__module__, type(thing).__qualname__) != (type(old).__module__, type(old).__qualname__):
        return False
    parts = thing.parameters() if isinstance(thing, torch.nn.Module) else ()
    return not any(id(part) in covered for part in parts)
