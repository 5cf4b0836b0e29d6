"""What an optimizer or a schedule was made with: a learning rate, a weight decay, a number of epochs.

The state that is put back holds these as well, and overrides what the code says. Who has changed the code since would
train on with the old values and believe in the new ones; so each is remembered as it was when the run began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from .stepping import Stepping

__all__ = ["Settings", "settings_of"]

_PLAIN = (bool, int, float, str, type(None))
_HOW = frozenset({"params", "param_names", "foreach", "fused", "capturable", "differentiable"})
"""Of what, and how it is computed, which may hang on the machine."""
_DERIVED = frozenset({"last_epoch", "base_lrs", "initial_lr"})
"""What schedules count, and what they take from their optimizer or put into it."""
_SHOWN = 60
_LONGEST = 2000
"""A longer text, such as a table of learning rates, would be in each checkpoint."""


class Settings:
    """Of the objects of one run, by the names they are tracked under."""

    def __init__(self, saved: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._first: Mapping[str, Mapping[str, str]] = saved or {}

    def state(self) -> Mapping[str, Mapping[str, str]]:
        """Of each name, how it is written in code, and what it was; nobody changes that any more."""
        return self._first

    def changed(self, objects: Mapping[str, Any], *, begins: bool) -> list[str]:
        """These objects were made just now: what is other than it was the first time, or now if it `begins`."""
        lines = []
        for name, now in ((name, _texts(thing)) for name, thing in objects.items()):
            then = now if begins else self._first.get(name, now)
            self._first = {**self._first, name: then}
            differing = (key for key in now if then.get(key, now[key]) != now[key])
            lines += [f"{key} of {name} is {_short(now[key])}, was {_short(then[key])}" for key in differing]
        return lines


def settings_of(thing: Any) -> dict[str, Any]:
    """By how one writes them, behind the name of an optimizer or of a schedule."""
    if isinstance(thing, torch.optim.Optimizer):
        groups = enumerate(thing.param_groups)
        return {f"param_groups[{n}][{key!r}]": value for n, group in groups for key, value in _of_group(group)}
    return dict(thing.settings()) if isinstance(thing, Stepping) else dict(_of_schedule("", thing))


def _texts(thing: Any) -> dict[str, str]:
    """For each key, of all groups: one value if they are alike, as they are mostly."""
    found: dict[str, list[Any]] = {}
    if isinstance(thing, torch.optim.Optimizer):
        found["the class"] = [type(thing)]
        for key, value in chain.from_iterable(map(_of_group, thing.param_groups)):
            found.setdefault(key, []).append(value)
    else:
        found = {path: [value] for path, value in settings_of(thing).items()}
    texts = {key: [_text(value) for value in values] for key, values in found.items()}
    whole = {key: one[0] if len(set(one)) == 1 else ", ".join(one) for key, one in texts.items() if all(one)}
    return {key: text for key, text in whole.items() if len(text) <= _LONGEST}


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _of_group(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in group.items() if key not in _HOW | _DERIVED)


def _of_schedule(path: str, schedule: Any) -> Iterator[tuple[str, Any]]:
    """Its public attributes, and those of the schedules that it holds."""
    for key, value in vars(schedule).items() if isinstance(schedule, LRScheduler) else ():
        if not key.startswith("_") and key not in _DERIVED:
            yield path + key, value
        held = enumerate(value) if isinstance(value, list) else [("", value)]
        for number, one in held:
            yield from _of_schedule(f"{path}{key}[{number}]." if number != "" else f"{path}{key}.", one)


def _text(value: Any) -> str:
    """Empty for what cannot be compared by its text."""
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, torch.Tensor):
        return repr(value.item()) if value.numel() == 1 else ""
    if isinstance(value, list | tuple):
        items = [_text(item) for item in value]
        return f"[{', '.join(items)}]" if all(items) else ""
    return repr(value) if isinstance(value, _PLAIN) else ""
