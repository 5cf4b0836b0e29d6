"""Has a step been trained? A cheap look at what any step changes, taken before and after.

Torch counts the changes of each tensor that is made or changed in place; a backward pass makes gradients; a GradScaler
that left a step out has lowered its scale; a validation may note its result. None of this is a proof, so nobody is told
"no" but in the first step of a run, with a way to say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from .parts import Values

__all__ = ["look"]

_SAMPLES = 16


def look(things: Iterable[Any]) -> list[Any]:
    """What two looks have in common if nothing was trained between them; empty if nothing here can be trained."""
    seen: list[Any] = []
    trained = False
    for thing in things:
        if isinstance(thing, torch.nn.Module):
            seen += [_versions(tensor) for tensor in (*thing.parameters(), *thing.buffers())]
            seen += [_sample(tensor) for tensor in islice(thing.parameters(), _SAMPLES) if not is_lazy(tensor)]
            trained = True
        elif isinstance(thing, torch.optim.Optimizer):
            seen += [_versions(tensor) for group in thing.param_groups for tensor in group["params"]]
            trained = True
        elif isinstance(thing, torch.amp.GradScaler):
            seen.append(thing.get_scale())
        elif isinstance(thing, Values):
            seen += [value if isinstance(value, int | float | str) else id(value) for value in vars(thing).values()]
    return seen if trained else []


def _sample(tensor: torch.Tensor) -> list[float]:
    """Some of its numbers: what is changed through `.data` is not counted."""
    return tensor.detach().reshape(-1)[:_SAMPLES].tolist()


def _versions(tensor: torch.Tensor) -> tuple[int, int, int]:
    gradient = tensor.grad
    return (tensor._version, id(gradient), -1 if gradient is None else gradient._version)
