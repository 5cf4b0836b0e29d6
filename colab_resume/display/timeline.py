"""The sessions of a run over time as one SVG: training, saving, silence, and what was lost.

It fits any width from 400 px on without its texts getting smaller, and takes its colours from the text around it, so
that it reads in light and in dark. No colour is the only sign of anything: what was lost is hatched, silence is dashed,
each end has a mark of its own, and a legend puts all that in words; so does the text alternative. A long silence is
drawn short, with a visible break; what remains is to scale, but nothing is too short to be seen. Many sessions go on
in further rows, as text does.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import tzinfo
from html import escape

from ..sessions.times import clock, day, moment, span
from ..status import Life
from .layout import Piece, Row, rows_of
from .signs import LOST, NOTCHED, TRAINING, end_of, hatching, legend, put, said, shape, totals
from .tables import duration, printable

__all__ = ["timeline_svg"]

_BAR, _ABOVE, _BELOW, _TIMES, _BETWEEN = 20, 15, 15, 14, 12
_ROW = _ABOVE + _BAR + _BELOW + _TIMES
_NARROW = 4.0
"""Pixels of one percent where the picture is at its narrowest."""
_LETTER, _NOTCH = 6.0, 8.0
_SYSTEM = "svg.cr-lives:root{color-scheme:light dark;color:CanvasText;background:Canvas}"
"""For a picture that stands alone; within a page the rule finds nothing."""


def timeline_svg(lives: Sequence[Life], *, now: float, width: int = 640, zone: tzinfo | None = None) -> str:
    """The picture, `width` pixels wide where there is so much room; times are told in `zone`."""
    rows = rows_of(lives, now)
    texts = totals(lives, rows)
    top = len(rows) * (_ROW + _BETWEEN)
    told = escape(printable(_words(lives, texts)), quote=True)
    hatch = f"cr-lost-{zlib.crc32(told.encode('utf-8', 'replace')):08x}"
    drawn, height = legend(texts, lives, top, hatch)
    body = [_row(row, now, number * (_ROW + _BETWEEN), hatch, zone) for number, row in enumerate(rows)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-lives" role="img" aria-label="{told}" width="{width}" '
        f'height="{height}" style="max-width:100%" fill="currentColor" '
        'font-family="system-ui,-apple-system,Segoe UI,Roboto,DejaVu Sans,sans-serif" font-size="11">'
        f"<style>{_SYSTEM}</style><title>{told}</title>{hatching(hatch)}"
        f"{''.join(body)}{drawn}</svg>"
    )


def _row(row: Row, now: float, top: float, hatch: str, zone: tzinfo | None) -> str:
    bar = top + _ABOVE
    parts = [
        _silence(piece, bar)
        if piece.life is None
        else _session(piece.life, piece, bar, hatch, _about(piece.life, now, zone))
        for piece in row.pieces
    ]
    gaps, times = _gap_labels(row, bar - 5), _time_labels(row, bar + _BAR + _BELOW + 9, now, zone)
    return "".join([*parts, *gaps, *times])


def _session(life: Life, piece: Piece, top: float, hatch: str, told: str) -> str:
    left, width = piece.left, piece.width
    lived = max(life.last_sign - life.began, 1e-9)
    lost = _seen(life.lost_seconds / lived, life.lost_steps, width)
    trained = width * (1 - lost)
    drawn = [_box(left, top, trained, _BAR, f'style="fill:{TRAINING}"')]
    if lost:
        frame = f'fill="url(#{hatch})" style="stroke:{LOST}"'
        drawn.append(_box(left + trained, top + 0.5, width - trained, _BAR - 1, frame))
    drawn += _notches(life.saves, left, trained, top + _BAR)
    mark = _mark(end_of(life), f"{left + width:.3f}%", top + _BAR + 9)
    return f"<g><title>{escape(printable(told))}</title>{''.join(drawn)}{mark}</g>"


def _seen(share: float, count: int, width: float) -> float:
    """The part of a bar for something that was so often there: to scale, but no thinner than 3 px."""
    return min(1.0, max(share, 3 / (_NARROW * width))) if count > 0 else 0.0


def _notches(saves: int, left: float, width: float, base: float) -> list[str]:
    """One for each save as far as there is room. When they were nobody knows any more, so they are spread evenly."""
    count = min(saves, int(width * _NARROW / _NOTCH))
    places = (left + width * (number + 0.5) / count for number in range(count))
    return [f'<rect x="{place:.3f}%" y="{base - 6}" width="1.5" height="6" {NOTCHED}/>' for place in places]


def _silence(piece: Piece, top: float) -> str:
    left, right, middle = piece.left, piece.left + piece.width, top + _BAR / 2
    line = 'stroke="currentColor" stroke-opacity=".6"'
    dashes = f'<line x1="{left:.3f}%" x2="{right:.3f}%" y1="{middle}" y2="{middle}" {line} stroke-dasharray="2 3"/>'
    if not piece.broken:
        return dashes
    cut = '<path d="M-4.5 6L-.5 -6M.5 6L4.5 -6" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    return f"{dashes}{put(f'{(left + right) / 2:.3f}%', middle, cut)}"


def _gap_labels(row: Row, base: float) -> list[str]:
    """How long the broken silences were, the longest first, where there is room above the bars."""
    taken: list[tuple[float, float]] = []
    labels = []
    for piece in sorted((one for one in row.pieces if one.broken), key=lambda one: -one.seconds):
        text = span(piece.seconds)
        half = (len(text) + 1) * _LETTER / 2 / _NARROW
        middle = min(max(piece.left + piece.width / 2, half), 100 - half)
        if all(middle + half < left or right < middle - half for left, right in taken):
            taken.append((middle - half, middle + half))
            labels.append(_text(middle, base, text, "middle"))
    return labels


def _time_labels(row: Row, base: float, now: float, zone: tzinfo | None) -> list[str]:
    """When sessions began, as far as there is room, and when the last row ends."""
    last = "" if row.goes_on else "now" if row.end == now else clock(row.end, zone)
    labels = [_text(100, base, last, "end")] if last else []
    room, free, known = 100 - (len(last) + 1) * _LETTER / _NARROW, 0.0, ""
    for piece in row.pieces:
        if piece.life is None or piece.left < free:
            continue
        today, at = day(piece.life.began, now, zone), clock(piece.life.began, zone)
        text = at if today == known else f"{today}, {at}"
        end = piece.left + (len(text) + 1) * _LETTER / _NARROW
        if end <= room:
            labels.append(_text(piece.left, base, text, "start"))
            free, known = end, today
    return labels


def _mark(end: str, x: str, y: float) -> str:
    return put(x, y, f'<g transform="translate(-5 0)">{shape(end)}</g>')


def _box(left: float, top: float, width: float, height: float, paint: str) -> str:
    return f'<rect x="{left:.3f}%" y="{top}" width="{width:.3f}%" height="{height}" {paint}/>'


def _text(left: float, base: float, text: str, anchor: str) -> str:
    return f'<text x="{left:.3f}%" y="{base}" text-anchor="{anchor}">{escape(text)}</text>'


def _about(life: Life, now: float, zone: tzinfo | None) -> str:
    """One session in words, which a pointer shows."""
    told = [
        f"session {life.session}, {moment(life.began, now, zone)}, {span(life.last_sign - life.began)}",
        life.machine,
        f"began by: {life.why}" if life.why else "",
        f"steps {life.first_step} to {life.last_step}",
        f"lost {life.lost_steps} steps = {duration(life.lost_seconds)}" if life.lost_steps else "",
        said(life),
    ]
    return "; ".join(text for text in told if text)


def _words(lives: Sequence[Life], texts: Sequence[tuple[str, str]]) -> str:
    """The whole picture in words."""
    if not lives:
        return texts[0][1]
    count = f"{len(lives)} sessions" if len(lives) > 1 else "1 session"
    return f"{count} over time: {'; '.join(text for _, text in texts)}; the last one {said(lives[-1])}."
