"""What came out of a trial: as a table for people, as JSON for programs, and as an exit status for both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..display.tables import duration
from .comparison import Comparison
from .plan import Plan
from .trial import Life

__all__ = ["Report", "Row", "rows_of"]

_NONE = "-"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One life. What died with it is known from where the next one went on; None is what did not happen."""

    life: int
    resumed_at: int | None
    restore_seconds: float | None
    run_again: int
    bit_identical: int
    killed: bool
    killed_at: int | None
    lost_steps: int
    lost_seconds: float

    def cells(self) -> list[str]:
        again = f"{self.bit_identical} of {self.run_again} losses bit-identical" if self.run_again else _NONE
        restore = _NONE if self.restore_seconds is None else duration(self.restore_seconds)
        lost = [str(self.lost_steps), duration(self.lost_seconds)] if self.killed_at is not None else [_NONE, _NONE]
        return [str(self.life), self._resumed(), restore, again, self._end(), *lost]

    def _resumed(self) -> str:
        if self.resumed_at is None:
            return _NONE
        return str(self.resumed_at) if self.resumed_at else "0 (the beginning)"

    def _end(self) -> str:
        if not self.killed:
            return "never"
        return "while starting" if self.killed_at is None else str(self.killed_at)


_HEADS = ["life", "resumed at step", "restore took", "replay", "killed at step", "lost steps", "lost time"]


def rows_of(lives: Sequence[Life]) -> list[Row]:
    """A row for each life, in order."""
    rows: list[Row] = []
    resumed_next = 0
    for life in reversed(lives):
        lost_steps, lost_seconds = life.lost(resumed_next)
        rows.append(
            Row(
                life=life.number,
                resumed_at=life.resumed,
                restore_seconds=life.restore_seconds,
                run_again=life.again,
                bit_identical=life.identical,
                killed=life.died is not None,
                killed_at=life.last if life.died is not None else None,
                lost_steps=lost_steps,
                lost_seconds=lost_seconds,
            )
        )
        resumed_next = resumed_next if life.resumed is None else life.resumed
    return rows[::-1]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is told in the end."""

    plan: Plan
    rows: Sequence[Row]
    comparisons: Sequence[Comparison]
    seconds: float

    @property
    def identical(self) -> bool:
        """Whether the kills have left no trace: in what was compared, and in any step that ran twice."""
        return all(comparison.identical for comparison in self.comparisons) and all(
            row.bit_identical == row.run_again for row in self.rows
        )

    @property
    def exit_status(self) -> int:
        return 0 if self.identical else 1

    def text(self) -> str:
        lost_steps = sum(row.lost_steps for row in self.rows)
        lost = duration(sum(row.lost_seconds for row in self.rows))
        return "\n".join(
            [
                *_aligned([_HEADS, *(row.cells() for row in self.rows)]),
                "",
                f"lost in all: {lost_steps} steps = {lost}, in a training of {self.plan.steps} steps",
                *(comparison.line for comparison in self.comparisons),
                f"took {self.seconds:.1f} s",
            ]
        )

    def json(self) -> str:
        content: dict[str, Any] = {
            "identical": self.identical,
            **asdict(self.plan),
            "steps": self.plan.steps,
            "lives": [asdict(row) for row in self.rows],
            **{one.what: {one.unit: one.count, "differences": one.differences} for one in self.comparisons},
            "seconds": self.seconds,
        }
        return json.dumps(content, indent=2)


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
