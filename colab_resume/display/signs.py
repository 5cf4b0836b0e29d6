"""The signs of a timeline and what they mean: a colour and a pattern for each stretch, a mark for each kind of end."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..sessions.times import span
from ..status import Life
from .layout import Row
from .tables import duration

__all__ = ["LOST", "NOTCHED", "TRAINING", "end_of", "hatching", "legend", "put", "said", "shape", "totals"]

TRAINING, LOST = "var(--cr-busy, #3b82d6)", "var(--cr-warn, #d0661a)"
NOTCHED = 'fill="#000" fill-opacity=".7"'
"""Dark on whatever colour a bar has."""
_LINE = 18
"""Pixels from one line of the legend to the next."""
_ENDS = {
    "lives": ("M-3 -4L5 0L-3 4Z", "lives"),
    "clean": ("M-5 0L-1.5 3.5L5 -4", "finished"),
    "interrupted": ("M-3 -4V4M2 -4V4", "stopped by the user"),
    "failed": ("M-4 -4L4 4M-4 4L4 -4", "failed"),
    "exited": ("M-5 0H4", "exited without finish()"),
    "": ("M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0", "went silent"),
}


def end_of(life: Life) -> str:
    """The name of the mark at its end."""
    if life.lives:
        return "lives"
    return life.ended if life.ended in _ENDS else ""


def said(life: Life) -> str:
    """How it ended, in words."""
    return _ENDS[end_of(life)][1]


def totals(lives: Sequence[Life], rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What there was of each stretch in all, by its name; of what there was nothing, nothing is said."""
    if not lives:
        return [("nothing", "no session has worked on this run")]
    lived = sum(life.last_sign - life.began for life in lives)
    saves, saving = sum(life.saves for life in lives), sum(life.saving_seconds for life in lives)
    steps, lost = sum(life.lost_steps for life in lives), sum(life.lost_seconds for life in lives)
    silent = sum(piece.seconds for row in rows for piece in row.pieces if piece.life is None)
    found = [("training", f"training, {span(lived)}")]
    found += [("saving", f"saving {saves} times" + (f", {duration(saving)}" if saving else ""))] if saves else []
    found += [("lost", f"lost, {steps} steps" + (f", {duration(lost)}" if lost else ""))] if steps else []
    return found + ([("silence", f"silence, {span(silent)}")] if silent else [])


def legend(texts: Sequence[tuple[str, str]], lives: Sequence[Life], top: float, hatch: str) -> tuple[str, float]:
    """The signs that occur, from `top` down, and where they end; `hatch` is the name of the hatching."""
    items = [(_swatch(name, hatch), text) for name, text in texts]
    marks = []
    for name, (_, words) in _ENDS.items():
        if count := sum(end_of(life) == name for life in lives):
            marks.append((shape(name), f"{words} ({count})" if count > 1 else words))
    drawn = []
    for group in (items, marks):
        for number, (sign, text) in enumerate(group):
            line = f'<g transform="translate(8 -4)">{sign}</g><text x="22">{escape(text)}</text>'
            drawn.append(put(f"{50 * (number % 2)}%", top + _LINE * (number // 2) + 12, line))
        top += _LINE * ((len(group) + 1) // 2)
    return "".join(drawn), top


def _swatch(name: str, hatch: str) -> str:
    box = '<rect x="-8" y="-5" width="16" height="10"'
    return {
        "training": f'{box} style="fill:{TRAINING}"/>',
        "saving": f'{box} style="fill:{TRAINING}"/><path d="M-5 -1h1.5v6h-1.5zM4 -1h1.5v6h-1.5z" {NOTCHED}/>',
        "lost": f'{box} fill="url(#{hatch})" style="stroke:{LOST}"/>',
        "nothing": "",
        "silence": '<path d="M-8 0H8" stroke="currentColor" stroke-dasharray="2 3"/>',
    }[name]


def shape(end: str) -> str:
    """The mark of this name, around the origin."""
    paint = "" if end == "lives" else ' fill="none" stroke="currentColor" stroke-width="1.6"'
    return f'<path d="{_ENDS[end][0]}"{paint}/>'


def hatching(name: str) -> str:
    """What is lost is filled with it, as `url(#name)`; pictures on the same page need names of their own."""
    return (
        f'<defs><pattern id="{name}" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="2.4" height="5" style="fill:{LOST}"/></pattern></defs>'
    )


def put(x: str, y: float, content: str) -> str:
    """Put it there: a path cannot have percents."""
    return f'<svg x="{x}" y="{y}" overflow="visible">{content}</svg>'
