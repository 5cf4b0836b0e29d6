"""Moments and spans of time as people say them; the same words in what happened, in the history and on the timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["clock", "date", "day", "moment", "span"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 253402300800.0 - 2 * 86400.0
"""Two days before the year 10000, after which no time zone has a date."""
_MOST_OF_A_YEAR = 300 * 86400.0


def span(seconds: float) -> str:
    """How long: `12 s`, `3 min`, `1 h 22 min`, `3 days 4 h`; two units at most."""
    # 59.6 s are a minute, and 59 min 40 s an hour.
    if seconds < 59.5:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        hours, rest = divmod(minutes, 60)
        return f"{hours} h {rest:02d} min" if rest else f"{hours} h"
    days, rest = divmod(round(seconds / 3600), 24)
    return f"{days} days {rest} h" if rest else f"{days} days"


def moment(at: float, now: float, zone: tzinfo | None = None) -> str:
    """The time of day, with the date if that is another one than `now`; in the local time zone unless one is given."""
    today = _at(at, zone).date() == _at(now, zone).date()
    return f"{_at(at, zone):%H:%M:%S}" if today else f"{day(at, now, zone)}, {clock(at, zone)}"


def day(at: float, now: float, zone: tzinfo | None = None) -> str:
    """`Nov 20`, with the year if it takes one to know which is meant: `2025-11-20`."""
    there = _at(at, zone)
    return f"{there:%b} {there.day}" if abs(now - at) < _MOST_OF_A_YEAR else f"{there:%Y-%m-%d}"


def clock(at: float, zone: tzinfo | None = None) -> str:
    """The time of day to the minute."""
    return f"{_at(at, zone):%H:%M}"


def date(at: float, zone: tzinfo | None = None) -> str:
    """Day and time to the minute, which sorts: `2026-11-20 14:02`."""
    return f"{_at(at, zone):%Y-%m-%d %H:%M}"


def _at(seconds: float, zone: tzinfo | None) -> datetime:
    return (_EPOCH + timedelta(seconds=min(seconds, _LATEST))).astimezone(zone)
