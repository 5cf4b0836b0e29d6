"""A few measurements of one thing, and a row of them under a name: all that the sections hand to the report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Row", "Sample"]


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
