"""What the records of earlier sessions say: how much work was lost, when the run last lived, how often it restarted.

Pure arithmetic on what was read; `records` are those of the sessions before the present one, in any order. Seconds are
an estimate: a session knows how many steps it made in its life, not how long each of them took. Of a run with very many
sessions only the newest are known at a start; their numbers still tell how many there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from .identity import SessionRecord
from .times import moment, span

__all__ = [
    "LostWork",
    "Summary",
    "clock_problem",
    "in_order",
    "lost_work",
    "mean_life",
    "next_number",
    "steps_again",
    "summary",
    "took",
]

_SUPPOSED = 3600.0
"""What a session is supposed to live before any was seen to end, in seconds."""
_AHEAD = 120.0
"""Seconds by which two machines' clocks may differ without a word."""


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
    last = in_order(records)[-1]
    steps = max(0, last.step - restored_step)
    silent_since = min(last.heartbeat, now) if last.ended is None else None
    return LostWork(steps, took(last, steps), silent_since)


def summary(records: Sequence[SessionRecord], restored_step: int, now: float) -> Summary:
    """The present session counts as a restart, and what its restore lost is part of `lost`."""
    ordered = in_order(records)
    lost = [took(record, steps) for record, steps in zip(ordered, steps_again(ordered, restored_step), strict=True)]
    last = min(now, max(record.heartbeat for record in ordered)) if ordered else None
    return Summary(
        restarts=next_number(records) - 1,
        last_sign_of_life=last,
        gap=None if last is None else now - last,
        lived=sum(record.heartbeat - record.started for record in ordered),
        lost=sum(seconds for seconds in lost if seconds is not None),
    )


def next_number(records: Sequence[SessionRecord]) -> int:
    """Which session of the run comes after these, counted from 1."""
    number = 0
    for record in in_order(records):
        number = max(number + 1, record.number)
    return number + 1


def clock_problem(records: Sequence[SessionRecord], now: float, zone: tzinfo | None = None) -> str:
    """If a sign of life lies in the future, one line that says so; else empty. Times are told in `zone`."""
    latest = max(records, key=lambda record: record.heartbeat, default=None)
    if latest is None or latest.heartbeat <= now + _AHEAD:
        return ""
    at, ahead = moment(latest.heartbeat, now, zone), span(latest.heartbeat - now)
    return (
        f"session {latest.id} on {latest.host} gave a sign of life at {at}, which is {ahead} from now: one of the two "
        "clocks is wrong, and so are ages and gaps"
    )


def in_order(records: Sequence[SessionRecord]) -> list[SessionRecord]:
    """The oldest first."""
    return sorted(records, key=lambda record: (record.started, record.id))


def steps_again(ordered: Sequence[SessionRecord], restored_step: int) -> list[int]:
    """For each session how many of its steps had to be made again; `restored_step` is where the last one has led.

    Where nobody knows from which step the next session went on, the one after it tells.
    """
    again, following = [], restored_step
    for record in reversed(ordered):
        again.append(max(0, record.step - following))
        following = following if record.first_step is None else record.first_step
    return again[::-1]


def mean_life(records: Sequence[SessionRecord]) -> float | None:
    """How many seconds a session lives until it ends by itself, on the average; None if none has made a step yet.

    A session that was ended on purpose, as by restarting its kernel in peace, tells only that it would have lived
    longer. The time that all of them lived counts, divided by the ends that nobody wanted, as if one of those had been
    seen after an hour.
    """
    worked = [record for record in records if record.step > (record.first_step or 0)]
    if not worked:
        return None
    unwanted = sum(record.ended in (None, "failed") for record in worked)
    return (sum(record.heartbeat - record.started for record in worked) + _SUPPOSED) / (unwanted + 1)


def took(record: SessionRecord, steps: int) -> float | None:
    """How long `steps` take at the pace of that session."""
    if steps == 0:
        return 0.0
    first = record.first_step
    if first is None or record.step <= first:
        return None
    return (record.heartbeat - record.started) * steps / (record.step - first)
