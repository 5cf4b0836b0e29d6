"""The results as JSON for machines and as a page for people; both hold the same numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from .chart import Chart, Line
from .findings import Findings, Goal, Row, Sample
from .sections import SECTIONS
from .settings import Settings

__all__ = ["Results"]

_HEAD = """\
# Benchmarks

Written by `make bench` on {date}; the same numbers are in `benchmarks/results.json`.

Machine: {machine}.
In the minute before it began, {load:.1f} processes wanted a core on average; near 0 it was quiet.

All that stands in one table was measured in turns, in one run. Cells are medians, with the lowest and the highest
measurement in brackets; n is how many there were. A column with a ÷ holds ratios of measurements that were made side by
side. Other work may have run on the same machine: compare within a table, and believe a difference only where the
brackets do not overlap. There is no real Drive in these numbers.

Goals are those of the design. Whether one was reached is computed from the median and from nothing else.
{reached} of {goals} were reached."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that one call has measured."""

    date: str
    machine: str
    load: float
    settings: Settings
    sections: Mapping[str, Findings]

    def write(self, *, page: Path, data: Path) -> None:
        """The page, its pictures in a folder of the page's name beside it, and the JSON document."""
        pictures = page.with_suffix("")
        pictures.mkdir(parents=True, exist_ok=True)
        page.write_text(self.to_markdown(pictures=pictures.name), "utf-8")
        for findings in self.sections.values():
            for chart in findings.charts:
                (pictures / f"{chart.name}.svg").write_text(chart.to_svg(), "utf-8")
        data.write_text(self.to_json(), "utf-8")

    def to_json(self) -> str:
        """A JSON document, indented."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """What `to_json` has written."""
        told = json.loads(text)
        sections = {name: _findings(one) for name, one in told["sections"].items()}
        known = {name: value for name, value in told["settings"].items() if name in Settings.__dataclass_fields__}
        return cls(**{**told, "settings": Settings(**known), "sections": sections})

    def with_newer(self, other: Results) -> Results:
        """The same with the sections of the other one, each of which says that it was measured by itself."""
        note = (
            f"Measured by itself on {other.date}, with {other.load:.1f} processes that wanted a core before it began."
        )
        newer = {name: replace(one, notes=[*one.notes, note]) for name, one in other.sections.items()}
        sections = {name: (self.sections | newer)[name] for name in SECTIONS if name in self.sections | newer}
        return replace(self, settings=other.settings, sections=sections)

    def to_markdown(self, *, pictures: str | None = None) -> str:
        """A page with a table for each group of rows, and links to the pictures in this folder."""
        goals = [goal for findings in self.sections.values() for goal in findings.goals]
        reached = sum(goal.reached for goal in goals)
        head = _HEAD.format(date=self.date, machine=self.machine, load=self.load, reached=reached, goals=len(goals))
        parts = [head]
        for name, findings in self.sections.items():
            parts += [f"## {SECTIONS[name].title}", SECTIONS[name].text.format_map(asdict(self.settings))]
            parts += _body(findings, pictures)
        return "\n\n".join(parts) + "\n"


def _findings(told: Mapping[str, Any]) -> Findings:
    rows = [
        Row(**{**row, "values": {name: Sample(**sample) for name, sample in row["values"].items()}})
        for row in told["rows"]
    ]
    charts = [Chart(**{**chart, "lines": [Line(**line) for line in chart["lines"]]}) for chart in told["charts"]]
    return Findings(rows=rows, goals=[Goal(**goal) for goal in told["goals"]], notes=told["notes"], charts=charts)


def _body(findings: Findings, pictures: str | None) -> Iterator[str]:
    yield from findings.notes
    for group, members in groupby(findings.rows, key=lambda row: row.group):
        yield _table(group, list(members))
    if findings.goals:
        yield _goals(findings.goals)
    if pictures is not None:
        yield from (f"![{chart.title}]({pictures}/{chart.name}.svg)" for chart in findings.charts)


def _table(group: str, rows: list[Row]) -> str:
    # In the order of the first row that has them; one contender may have a column that others lack.
    columns = list(dict.fromkeys(column for row in rows for column in row.values))
    counts = {column: {row.values[column].n for row in rows if column in row.values} for column in columns}
    shared = {column: found.pop() for column, found in counts.items() if len(found) == 1}
    heads = [f"{column} (n = {shared[column]})" if column in shared else column for column in columns]
    lines = [[group, *heads], ["---", *("---:" for _ in columns)]]
    for row in rows:
        cells = (_cell(row.values.get(column), with_n=column not in shared) for column in columns)
        lines.append([row.name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _goals(goals: Sequence[Goal]) -> str:
    lines = ["| goal | at most | measured | reached |", "| --- | ---: | ---: | --- |"]
    for goal in goals:
        reached = "yes" if goal.reached else "**no**"
        lines.append(f"| {goal.text} | {goal.limit:.3g} | {goal.measured:.3g} | {reached} |")
    return "\n".join(lines)


def _cell(sample: Sample | None, *, with_n: bool) -> str:
    if sample is None:
        return "–"
    low, middle, high = map(_number, (sample.low, sample.median, sample.high))
    notes = [*([f"{low}–{high}"] if low != high else []), *([f"n = {sample.n}"] if with_n else [])]
    return f"{middle} ({', '.join(notes)})" if notes else middle


def _number(value: float) -> str:
    if value == round(value) or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
