"""Lines in a picture: the data as it goes into the JSON file, and the SVG that is drawn from it.

The SVG stands on its own: no script, no font that must be there, colours that also differ in brightness. The line of
colab_resume is drawn last and thickest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Chart", "Line"]

_WIDTH, _HEIGHT = 900, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 302, 62, 58
_COLOURS = (
    "#555555",
    "#b07aa1",
    "#d99a00",
    "#4fa7a0",
    "#9c755f",
    "#d6454b",
    "#4d9a43",
    "#999999",
    "#6f96c4",
    "#d37295",
)
_OURS = "#0b3c8c"
_LABEL_HEIGHT = 15.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One contender; `ours` is the one that is looked for first."""

    name: str
    points: Sequence[tuple[float, float]]
    ours: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """`name` is the file's; with `log` both axes are logarithmic and points at 0 or below are not drawn."""

    name: str
    title: str
    across: str
    up: str
    lines: Sequence[Line]
    log: bool = False

    def to_svg(self) -> str:
        """The picture."""
        lines = [line for line in self._drawable() if line.points]
        if not lines:
            raise ValueError(f"chart {self.name!r} has no point that can be drawn")
        xs = [x for line in lines for x, _ in line.points]
        ys = [y for line in lines for _, y in line.points]
        across = _Axis.over(xs, log=self.log, first=_LEFT, last=_WIDTH - _RIGHT, marks=sorted(set(xs)))
        marks = _decades(ys) if self.log else _round_steps(0.0, max(ys))
        up = _Axis.over([*ys, marks[0], marks[-1]], log=self.log, first=_HEIGHT - _BOTTOM, last=_TOP, marks=marks)
        body = [*self._frame(across, up), *_curves(lines, across, up), *_names(lines, up)]
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
            f'height="{_HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#333">'
        )
        return "\n".join([head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>', *body, "</svg>"]) + "\n"

    def _drawable(self) -> list[Line]:
        """What is looked for first is drawn last, on top."""
        found = [
            Line(name=line.name, ours=line.ours, points=[p for p in line.points if not self.log or min(p) > 0])
            for line in self.lines
        ]
        return sorted(found, key=lambda line: line.ours)

    def _frame(self, across: _Axis, up: _Axis) -> list[str]:
        left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        parts = [f'<text x="{left}" y="26" font-size="16" font-weight="bold">{escape(self.title)}</text>']
        parts.append(f'<text x="{left}" y="46" fill="#666">{escape(self.up)}</text>')
        for mark in up.marks:
            y = up.place(mark)
            parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e4e4e4"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
        for mark in across.marks:
            x = across.place(mark)
            parts.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 5}" stroke="#888"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{mark:g}</text>')
        parts.append(f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="#888"/>')
        middle = (left + right) / 2
        parts.append(f'<text x="{middle}" y="{bottom + 42}" text-anchor="middle">{escape(self.across)}</text>')
        return parts


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """Where on the picture a value lies."""

    place: Callable[[float], float]
    marks: Sequence[float]

    @classmethod
    def over(cls, values: Sequence[float], *, log: bool, first: float, last: float, marks: Sequence[float]) -> _Axis:
        scale: Callable[[float], float] = math.log10 if log else float
        low, high = scale(min(values)), scale(max(values))
        span = (high - low) or 1.0
        return cls(place=lambda value: first + (scale(value) - low) / span * (last - first), marks=marks)


def _decades(values: Sequence[float]) -> list[float]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def _round_steps(low: float, high: float) -> list[float]:
    rough = (high - low) / 5 or 1.0
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [low + step * number for number in range(math.ceil((high - low) / step) + 1)]


def _looks(lines: Sequence[Line]) -> list[tuple[Line, str, float]]:
    colours = iter(_COLOURS * (1 + len(lines) // len(_COLOURS)))
    return [(line, _OURS, 3.5) if line.ours else (line, next(colours), 1.8) for line in lines]


def _curves(lines: Sequence[Line], across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for line, colour, width in _looks(lines):
        places = [(across.place(x), up.place(y)) for x, y in sorted(line.points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linejoin="round"/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width:.1f}" fill="{colour}"/>' for x, y in places]
    return parts


def _names(lines: Sequence[Line], up: _Axis) -> list[str]:
    """Beside the right edge, each as near to the end of its line as the others leave room for."""
    ends = sorted(((up.place(max(line.points)[1]), line, colour) for line, colour, _ in _looks(lines)), key=_height)
    parts = []
    edge = _WIDTH - _RIGHT
    for (end, line, colour), y in zip(ends, _spread([end for end, _, _ in ends]), strict=True):
        weight = ' font-weight="bold"' if line.ours else ""
        parts.append(f'<line x1="{edge + 6}" y1="{end:.1f}" x2="{edge + 20}" y2="{y:.1f}" stroke="{colour}"/>')
        parts.append(f'<text x="{edge + 24}" y="{y + 4:.1f}" fill="{colour}"{weight}>{escape(line.name)}</text>')
    return parts


def _height(end: tuple[float, Line, str]) -> float:
    return end[0]


def _spread(wanted: Sequence[float]) -> list[float]:
    """Places in the same order that keep their distance: pushed down first, then up from the lower edge."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + _LABEL_HEIGHT) if places else place)
    lowest = _HEIGHT - _BOTTOM + _LABEL_HEIGHT
    for number in reversed(range(len(places))):
        lowest -= _LABEL_HEIGHT
        places[number] = lowest = min(places[number], lowest)
    return places
