"""What a person changes in the objects while the training stands still.

After Ctrl-C people lower the learning rate, unfreeze layers, load other weights, and run the cell with the loop again.
That goes back to the checkpoint of where it stopped, which knows nothing of it; so the change must not go unsaid.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from .data.generators import source_of
from .forgotten.changes import mark_of, variables
from .objects.parts import Values
from .objects.plain import is_plain
from .objects.settings import settings_of
from .objects.steady import TORCHS_OWN
from .objects.stepping import Stepping

__all__ = ["Edited"]

_AT_MOST = 4


class Edited:
    """`tracked` gives what is, by name. Random generators are left out: people draw whenever they look at something."""

    def __init__(self, tracked: Callable[[], Mapping[str, Any]]) -> None:
        self._tracked = tracked
        self._then: dict[str, Hashable] = {}

    def stand(self) -> None:
        """The training stops here, at a boundary that is saved."""
        self._then = _marks(self._tracked())

    def go_on(self) -> list[str]:
        """What was changed since then, a few of it, as one writes it in code."""
        then, self._then = self._then, {}
        now = _marks(self._tracked()) if then else {}
        found = [name for name in now if then.get(name, now[name]) != now[name]]
        return [*found[:_AT_MOST], *[f"{len(found) - _AT_MOST} more"] * (len(found) > _AT_MOST)]


def _marks(tracked: Mapping[str, Any]) -> dict[str, Hashable]:
    return {path: mark_of(value, ()) for name, thing in tracked.items() for path, value in _settings(name, thing)}


def _settings(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """What one may set, by how one writes it."""
    if isinstance(thing, torch.optim.Optimizer | LRScheduler):
        yield from ((f"{name}.{path}", value) for path, value in settings_of(thing).items())
    elif isinstance(thing, Stepping):
        yield from ((f"model.{path}", value) for path, value in settings_of(thing).items())
    elif isinstance(thing, torch.nn.Module):
        yield from _of_module(name, thing)
    elif isinstance(thing, Values):
        yield from vars(thing).items()
    elif source_of(thing) is None:
        yield from variables(name, thing, ())


def _of_module(name: str, module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    for path, parameter in module.named_parameters(prefix=name):
        yield path, parameter
        yield f"{path}.requires_grad", parameter.requires_grad
    for path, part in module.named_modules(prefix=name):
        for attribute in sorted(vars(part).keys() - TORCHS_OWN):
            if is_plain(value := vars(part)[attribute]):
                yield f"{path}.{attribute}", value
