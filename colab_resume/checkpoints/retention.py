"""Which checkpoints are kept: a pure function of what is there, so that two who look at the same keep the same."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..errors import UsageError
from .manifest import Manifest

__all__ = ["Best", "Keep", "kept"]


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How many to keep: the `last` ones, for good one of every so many `hours`, the `tagged`, and so many `best`."""

    last: int = 3
    hours: float | None = None
    tagged: bool = True
    best: int = 1

    def __post_init__(self) -> None:
        if type(self.last) is not int or self.last < 2:
            hint = "Keep at least 2: if the newest turns out damaged, there must be one before it."
            raise UsageError(f"last={self.last!r} would leave no second checkpoint", hint=hint)
        if self.hours is not None and not 0 < self.hours < math.inf:
            raise UsageError(f"hours={self.hours!r} is not a time span", hint="Give hours=6 for one of every 6 hours.")
        if type(self.best) is not int or self.best < 0:
            raise UsageError(f"best={self.best!r} is not a number of checkpoints", hint="Give 0 to keep none for that.")


@dataclass(frozen=True)
class Best:
    """What makes a checkpoint a good one: a metric that was logged, and whether less or more of it is better."""

    metric: str
    mode: Literal["min", "max"]

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise UsageError(f"mode={self.mode!r} is neither 'min' nor 'max'", hint="Use 'min' for a loss.")


def kept(manifests: Iterable[Manifest], keep: Keep, best: Best | None) -> set[str]:
    """The names to keep. The newest is always among them, and keeping twice keeps the same."""
    by_age = sorted(manifests, key=lambda manifest: (manifest.rank, manifest.created, manifest.name))
    # The same step saved twice (at the end of a loop and by `finish`) is one state: the later one counts.
    distinct = {(manifest.generation, manifest.step): manifest for manifest in by_age}
    chosen = list(distinct.values())[-keep.last :]
    if keep.tagged:
        chosen += [manifest for manifest in by_age if manifest.tags]
    if keep.hours is not None:
        chosen += _first_of_each_span(by_age, keep.hours * 3600)
    if best is not None:
        chosen += _best(by_age, best)[: keep.best]
    return {manifest.name for manifest in chosen}


def _first_of_each_span(by_age: list[Manifest], seconds: float) -> Iterable[Manifest]:
    # The first in age, not by the clock: a VM whose clock lags must not push out what was kept for good.
    first: dict[float, Manifest] = {}
    for manifest in by_age:
        first.setdefault(manifest.created // seconds, manifest)
    return first.values()


def _best(by_age: list[Manifest], best: Best) -> list[Manifest]:
    rated = [m for m in by_age if not math.isnan(m.metrics.get(best.metric, math.nan))]
    # Sorting is stable in both directions, so among equals the oldest comes first.
    return sorted(rated, key=lambda manifest: manifest.metrics[best.metric], reverse=best.mode == "max")
