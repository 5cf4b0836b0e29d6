"""Quantities beside the training: what would be lost now, what saving costs, how much room and time is left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..sessions.times import span
from ..status import Status
from .marks import Mark
from .tables import size

__all__ = ["Fact", "LITTLE_SPACE", "LITTLE_TIME", "facts"]

LITTLE_SPACE = 10**9
"""Bytes; with less than that free, one checkpoint of a middling model no longer fits beside the one before."""
LITTLE_TIME = 15 * 60.0
"""Seconds; time to let a long upload end."""


@dataclass(frozen=True)
class Fact:
    """One quantity, and what is to be said about it."""

    label: str
    value: str
    note: str = ""
    mark: Mark = Mark.NONE


def facts(status: Status) -> tuple[Fact, ...]:
    """Always as many for one run, so that none moves."""
    return tuple(_facts(status))


def _facts(status: Status) -> Iterator[Fact]:
    yield _at_risk(status)
    yield Fact("Saving costs", _percent(status), _saves(status))
    yield _room("This disk", status.disk_free)
    if status.remote:
        yield _room(_capital(status.remote_name), status.remote_free)
    if (left := status.seconds_left) is not None:
        mark = Mark.WARN if left < LITTLE_TIME else Mark.NONE
        yield Fact("Session", f"{span(left)} left", "then this VM goes", mark)


def _at_risk(status: Status) -> Fact:
    """What would be lost now; what is not proved safe counts as lost."""
    label, note = "At risk", "if the VM went now"
    if status.safe is not None:
        steps = max(0, status.step - status.safe)
    elif status.restored is None:
        steps = status.step
    else:
        return Fact(label, "not known yet", note)
    return Fact(label, "1 step" if steps == 1 else f"{steps} steps", note)


def _saves(status: Status) -> str:
    return "1 save so far" if status.saves == 1 else f"{status.saves} saves so far"


def _percent(status: Status) -> str:
    if not status.loop_seconds:
        return "–"
    percent = 100 * status.cost
    return f"{percent:.1f} %" if percent >= 0.05 or not percent else "under 0.1 %"


def _room(label: str, free: int | None) -> Fact:
    if free is None:
        return Fact(label, "–", "free space unknown")
    little = free < LITTLE_SPACE
    return Fact(label, f"{size(free)} free", "little space" if little else "", Mark.WARN if little else Mark.NONE)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
