"""What the records of earlier sessions say: how much work was lost, when the run last lived, how often it restarted.

Pure arithmetic on what was read; `records` are those of the sessions before the present one, in any order. Seconds are
an estimate: a session knows how many steps it made in its life, not how long each of them took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .identity import SessionRecord

__all__ = ["LostWork", "Summary", "lost_work", "mean_life", "summary"]

_SUPPOSED = 3600.0
"""What a session is supposed to live before any was seen to end, in seconds."""


@dataclass(frozen=True)
class LostWork:
    """Steps that must run again; how long they took (None: unknown); since when the last session is silent
    (None: it said how it ended, or there was none)."""

    steps: int
    seconds: float | None
    silent_since: float | None


@dataclass(frozen=True)
class Summary:
    """A run's life until now. `gap` is the time from its last sign of life until now; `lived` and `lost` are seconds
    of all sessions together, and what they did twice."""

    restarts: int
    last_sign_of_life: float | None
    gap: float | None
    lived: float
    lost: float


def lost_work(records: Sequence[SessionRecord], restored_step: int, now: float) -> LostWork:
    """What the last session had done after the checkpoint that was restored now."""
    if not records:
        return LostWork(0, 0.0, None)
    last = max(records, key=_order)
    steps = max(0, last.step - restored_step)
    silent_since = min(last.heartbeat, now) if last.ended is None else None
    return LostWork(steps, _duration(last, steps), silent_since)


def summary(records: Sequence[SessionRecord], restored_step: int, now: float) -> Summary:
    """The present session counts as a restart, and what its restore lost is part of `lost`."""
    ordered = sorted(records, key=_order)
    restored = [record.first_step for record in ordered[1:]] + [restored_step]
    lost = [
        _duration(record, max(0, record.step - step))
        for record, step in zip(ordered, restored, strict=False)
        if step is not None
    ]
    last = min(now, max(record.heartbeat for record in ordered)) if ordered else None
    return Summary(
        restarts=len(ordered),
        last_sign_of_life=last,
        gap=None if last is None else now - last,
        lived=sum(record.heartbeat - record.started for record in ordered),
        lost=sum(seconds for seconds in lost if seconds is not None),
    )


def mean_life(records: Sequence[SessionRecord]) -> float | None:
    """How many seconds a session lives until it ends by itself, on the average; None if none has made a step yet.

    A session that was ended on purpose tells only that it would have lived longer. The time that all of them lived
    counts, divided by the ends that nobody wanted, as if one of those had been seen after an hour.
    """
    worked = [record for record in records if record.step > (record.first_step or 0)]
    if not worked:
        return None
    unwanted = sum(record.ended in (None, "failed") for record in worked)
    return (sum(record.heartbeat - record.started for record in worked) + _SUPPOSED) / (unwanted + 1)


def _order(record: SessionRecord) -> tuple[float, str]:
    return record.started, record.id


def _duration(record: SessionRecord, steps: int) -> float | None:
    """How long `steps` take at the pace of that session."""
    if steps == 0:
        return 0.0
    first = record.first_step
    if first is None or record.step <= first:
        return None
    return (record.heartbeat - record.started) * steps / (record.step - first)
