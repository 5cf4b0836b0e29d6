"""How often somebody asks for a checkpoint, as people write it: 500, "5 min", "2 epochs", or nothing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TypeAlias

from ..errors import UsageError

__all__ = ["Auto", "Every", "EveryEpochs", "EverySeconds", "EverySteps", "parse_every"]

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
_EXAMPLES = "500 or '500 steps', '1 epoch', '30 s', '5 min', '1.5 h', or None for as often as is worth it"


@dataclass(frozen=True)
class EverySteps:
    """At every multiple of so many steps, so that a restart does not move them."""

    steps: int

    def __post_init__(self) -> None:
        if type(self.steps) is not int or self.steps < 1:
            raise _refusal(self.steps, "it must be a whole number of steps, at least 1")


@dataclass(frozen=True)
class EveryEpochs:
    """At the end of every so many epochs, counted from the first one of the run."""

    epochs: int

    def __post_init__(self) -> None:
        if type(self.epochs) is not int or self.epochs < 1:
            raise _refusal(self.epochs, "it must be a whole number of epochs, at least 1")


@dataclass(frozen=True)
class EverySeconds:
    """So many seconds from one capture to the next."""

    seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise _refusal(self.seconds, "it must be a time above 0")


@dataclass(frozen=True)
class Auto:
    """As often as is worth its cost."""


Every: TypeAlias = EverySteps | EveryEpochs | EverySeconds | Auto


def parse_every(every: int | str | float | None) -> Every:
    """What the user means by `every=`; a bare number, also as text, is a number of steps."""
    if every is None:
        return Auto()
    if isinstance(every, bool) or not isinstance(every, int | float | str):
        raise _refusal(every, f"a {type(every).__name__} says neither steps nor time")
    if isinstance(every, str):
        return _parse_text(every)
    if isinstance(every, float) and not every.is_integer():
        raise _refusal(every, "it must be a whole number of steps; a time needs a unit")
    return EverySteps(int(every))


def _parse_text(text: str) -> Every:
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*([a-z]*)\s*", text.lower())
    if match is None:
        raise _refusal(text, "it is not a number with a unit")
    number, unit = match.groups()
    if unit in _UNITS:
        return EverySeconds(float(number) * _UNITS[unit])
    if unit not in ("", "step", "steps", "epoch", "epochs"):
        raise _refusal(text, f"{unit!r} is not a unit")
    if "." in number:
        counted = "epochs" if unit.startswith("epoch") else "steps"
        raise _refusal(text, f"it must be a whole number of {counted}; a time needs a unit")
    return EveryEpochs(int(number)) if unit.startswith("epoch") else EverySteps(int(number))


def _refusal(every: object, reason: str) -> UsageError:
    return UsageError(f"every={every!r}: {reason}", hint=f"for example {_EXAMPLES}")
