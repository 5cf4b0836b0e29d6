"""The results as JSON for machines and as a page for people; both hold the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from .sample import Row, Sample
from .sections import SECTIONS
from .settings import Settings

__all__ = ["Results"]

_HEAD = """\
# Benchmarks

Written by `make bench` on {date}; the same numbers are in `benchmarks/results.json`.

Machine: {machine}.
In the minute before it began, {load:.1f} processes wanted a core on average; near 0 it was quiet.

All that stands in one table was measured in turns, in one run. Cells are medians, with the lowest and the highest
measurement in brackets; n is how many there were. Other work may have run on the same machine: compare within a table,
and believe a difference only where the brackets do not overlap. There is no GPU and no real Drive in these numbers."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that one call has measured."""

    date: str
    machine: str
    load: float
    settings: Settings
    sections: Mapping[str, Sequence[Row]]

    def to_json(self) -> str:
        """A JSON document, indented."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """A page with a table for each group of rows."""
        parts = [_HEAD.format(date=self.date, machine=self.machine, load=self.load)]
        facts = {**asdict(self.settings), "saves": len(self.settings.saves)}
        for name, rows in self.sections.items():
            parts += [f"## {SECTIONS[name].title}", SECTIONS[name].text.format_map(facts)]
            for group, members in groupby(rows, key=lambda row: row.group):
                parts.append(_table(group, list(members)))
        return "\n\n".join(parts) + "\n"


def _table(group: str, rows: list[Row]) -> str:
    columns = list(max(rows, key=lambda row: len(row.values)).values)
    counts = {column: {row.values[column].n for row in rows if column in row.values} for column in columns}
    shared = {column: found.pop() for column, found in counts.items() if len(found) == 1}
    heads = [f"{column} (n = {shared[column]})" if column in shared else column for column in columns]
    lines = [[group, *heads], ["---", *("---:" for _ in columns)]]
    for row in rows:
        cells = (_cell(row.values.get(column), with_n=column not in shared) for column in columns)
        lines.append([row.name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(sample: Sample | None, *, with_n: bool) -> str:
    if sample is None:
        return "–"
    low, middle, high = map(_number, (sample.low, sample.median, sample.high))
    notes = [*([f"{low}–{high}"] if low != high else []), *([f"n = {sample.n}"] if with_n else [])]
    return f"{middle} ({', '.join(notes)})" if notes else middle


def _number(value: float) -> str:
    if value == round(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
