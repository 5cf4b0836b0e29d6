"""One metric over the steps as an SVG that fits any width: lines are stretched, texts are not.

Restarts are dashed lines, and the picture says in words what it shows. Its colours are those of the text around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape

from ..status import Curve
from .tables import printable

__all__ = ["curve_svg"]

HEIGHT = 120
_TOP, _BOTTOM = 6, HEIGHT - 18
_DECADES = 1.7
"""Powers of ten; a curve that spans more is only seen on a logarithmic scale."""


def curve_svg(curve: Curve) -> str:
    """The picture; empty if there is no point that could be drawn."""
    points = [(step, value) for step, value in curve.points if math.isfinite(value)]
    if not points:
        return ""
    steps, values = [step for step, _ in points], [value for _, value in points]
    scale = _Scale(min(values), max(values))
    first, last = min(steps), max(*steps, min(steps) + 1)

    def across(step: float) -> float:
        return 1000 * (step - first) / (last - first)

    restarts = [step for step in curve.restarts if first < step < last]
    lines = "".join(
        f'<polyline class="cr-line" points="{_joined(piece, across, scale)}"/>' for piece in _pieces(curve.points)
    )
    marks = "".join(f'<path class="cr-restart" d="M{across(step):.1f} 0V{_BOTTOM}"/>' for step in restarts)
    told = escape(_words(curve, points, restarts, logarithmic=scale.logarithmic))
    return (
        f'<svg class="cr-curve" role="img" aria-label="{told}" width="100%" height="{HEIGHT}"><title>{told}</title>'
        f'<svg width="100%" height="{_BOTTOM}" viewBox="0 0 1000 {_BOTTOM}" preserveAspectRatio="none">'
        f'<path class="cr-grid" d="M0 {_TOP}H1000M0 {_BOTTOM - 1}H1000"/>{marks}{lines}</svg>'
        f"{_text(_TOP + 13, scale.greatest, at_end=_is_early(max(values), values))}"
        f"{_text(_BOTTOM - 6, scale.least, at_end=_is_early(min(values), values))}"
        f"{_text(HEIGHT - 3, f'step {first}', at_end=False)}{_text(HEIGHT - 3, f'step {last}', at_end=True)}</svg>"
    )


class _Scale:
    """From values to heights."""

    def __init__(self, least: float, greatest: float) -> None:
        self.logarithmic = least > 0 and math.log10(greatest) - math.log10(least) > _DECADES
        self.least, self.greatest = f"{least:.4g}", f"{greatest:.4g}"
        self._low, self._high = self._of(least), self._of(greatest)

    def __call__(self, value: float) -> float:
        # Halves, because the difference of the two largest floats is infinite.
        span = self._high / 2 - self._low / 2
        share = (self._of(value) / 2 - self._low / 2) / span if span > 0 else 0.5
        return _BOTTOM - 2 - share * (_BOTTOM - 2 - _TOP)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def _pieces(points: Iterable[tuple[int, float]]) -> Iterator[Sequence[tuple[int, float]]]:
    """What lies between values that are no numbers; a point alone is a line of no length, and so a dot."""
    piece: list[tuple[int, float]] = []
    for step, value in [*points, (0, math.nan)]:
        if math.isfinite(value):
            piece.append((step, value))
        elif piece:
            yield piece if len(piece) > 1 else piece * 2
            piece = []


def _joined(piece: Sequence[tuple[int, float]], across: Callable[[float], float], scale: _Scale) -> str:
    return " ".join(f"{across(step):.1f},{scale(value):.1f}" for step, value in piece)


def _is_early(value: float, values: Sequence[float]) -> bool:
    """Where the curve is not, there is room for a text."""
    return values.index(value) < len(values) / 2


def _text(down: float, text: str, *, at_end: bool) -> str:
    across, anchor = ("100%", "end") if at_end else ("0", "start")
    return f'<text x="{across}" y="{down}" text-anchor="{anchor}">{escape(text)}</text>'


def _words(curve: Curve, points: Sequence[tuple[int, float]], restarts: Sequence[int], *, logarithmic: bool) -> str:
    values = [value for _, value in points]
    told = (
        f"{printable(curve.name)} from step {points[0][0]} to {points[-1][0]}: {values[0]:.4g} at first, "
        f"{values[-1]:.4g} now, between {min(values):.4g} and {max(values):.4g}"
    )
    if logarithmic:
        told += ", on a logarithmic scale"
    if restarts:
        told += f"; restarts at step {', '.join(map(str, restarts))}"
    if missing := len(curve.points) - len(points):
        told += f"; {missing} values were no numbers"
    return told
