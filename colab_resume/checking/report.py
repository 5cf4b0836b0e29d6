"""What a check found, for people: a table of what, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..display.tables import table

__all__ = ["Level", "Report", "Row", "counted", "joined"]

Level = Literal["mistake", "warning", "note"]
_ORDER: tuple[Level, ...] = ("mistake", "warning", "note")
_HEAD = ("what", "what was found", "what to do")


@dataclass(frozen=True)
class Row:
    """One thing. A mistake makes the training go on differently after a restart, or loses something of it."""

    level: Level
    what: str
    found: str
    advice: str


@dataclass(frozen=True)
class Report:
    """The outcome of a check; printed, it is a table."""

    rows: tuple[Row, ...]
    steps: int
    names: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether a restart brings everything back, as far as these steps can show."""
        return not any(row.level == "mistake" for row in self.rows)

    def __str__(self) -> str:
        rows = sorted(self.rows, key=lambda row: _ORDER.index(row.level))
        lines = table(_HEAD, [(row.what, row.found, row.advice) for row in rows]) if rows else []
        return "\n".join([f"check · {self._verdict()}", *(f"  {line}" for line in lines)])

    def _verdict(self) -> str:
        steps = counted(self.steps, "step")
        if self.ok:
            return f"ok: {steps} gave the same bits after a restart ({', '.join(self.names)})"
        counts = [(level, sum(row.level == level for row in self.rows)) for level in _ORDER]
        return f"{', '.join(counted(count, level) for level, count in counts if count)} in {steps}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def joined(names: Sequence[str], at_most: int = 6) -> str:
    """Some names in a row, the first of them if there are many."""
    rest = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {rest} more" if rest > 0 else "")
