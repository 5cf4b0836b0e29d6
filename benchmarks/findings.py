"""What a section hands to the report: rows of measurements, goals held against them, charts, and what is missing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .chart import Chart

__all__ = ["Findings", "Goal", "Row", "Sample", "ratios"]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The median of `n` measurements and how far they reach; with this few, anything finer would be invented."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Sample:
        """Sum these measurements up; there must be at least one."""
        found = sorted(values)
        return cls(median=statistics.median(found), low=found[0], high=found[-1], n=len(found))


@dataclass(frozen=True, kw_only=True)
class Row:
    """What was measured of one contender. Rows of one `group` were measured in turns and may be compared."""

    group: str
    name: str
    values: Mapping[str, Sample]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What the design asks for, and what came out; whether it was reached is computed, never written down."""

    text: str
    limit: float
    measured: float
    reached: bool

    @classmethod
    def at_most(cls, limit: float, measured: float, text: str) -> Goal:
        """The less the better."""
        return cls(text=text, limit=limit, measured=measured, reached=measured <= limit)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """`notes` are lines for the page: what was left out, and why."""

    rows: Sequence[Row] = ()
    goals: Sequence[Goal] = ()
    notes: Sequence[str] = ()
    charts: Sequence[Chart] = ()


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Sample | None:
    """Each of ours over what was measured beside it; None where there is nothing to divide by."""
    pairs = [(one, other) for one, other in zip(ours, theirs, strict=False) if other > 0]
    return Sample.of(one / other for one, other in pairs) if pairs else None
