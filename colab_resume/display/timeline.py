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
from .tables import duration, printable

__all__ = ["timeline_svg"]

_BAR, _ABOVE, _BELOW, _TIMES, _BETWEEN, _LEGEND = 20, 15, 15, 14, 12, 18
_ROW = _ABOVE + _BAR + _BELOW + _TIMES
_NARROW = 4.0
"""Pixels of one percent where the picture is at its narrowest."""
_LETTER = 6.0
_TRAINING, _LOST = "var(--cr-busy, #3b82d6)", "var(--cr-warn, #d0661a)"
_SYSTEM = "svg.cr-lives:root{color-scheme:light dark;color:CanvasText;background:Canvas}"
"""For a picture that stands alone; within a page the rule finds nothing."""
_ENDS = {
    "lives": ("M-3 -4L5 0L-3 4Z", "lives"),
    "clean": ("M-5 0L-1.5 3.5L5 -4", "finished"),
    "interrupted": ("M-3 -4V4M2 -4V4", "stopped by the user"),
    "failed": ("M-4 -4L4 4M-4 4L4 -4", "failed"),
    "exited": ("M-5 0H4", "exited without finish()"),
    "": ("M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0", "went silent"),
}


def timeline_svg(lives: Sequence[Life], *, now: float, width: int = 640, zone: tzinfo | None = None) -> str:
    """The picture, `width` pixels wide where there is so much room; times are told in `zone`."""
    rows = rows_of(lives, now)
    texts = _legend_texts(lives, now)
    ends = [name for name in _ENDS if any(_end(life) == name for life in lives)]
    legend = len(rows) * (_ROW + _BETWEEN)
    height = legend + _LEGEND * ((len(texts) + 1) // 2 + (len(ends) + 1) // 2)
    told = escape(printable(_words(lives, texts)), quote=True)
    hatch = f"cr-lost-{zlib.crc32(told.encode('utf-8', 'replace')):08x}"
    body = [_row(row, now, number * (_ROW + _BETWEEN), hatch, zone) for number, row in enumerate(rows)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-lives" role="img" aria-label="{told}" width="{width}" '
        f'height="{height}" style="max-width:100%" fill="currentColor" '
        'font-family="system-ui,-apple-system,Segoe UI,Roboto,DejaVu Sans,sans-serif" font-size="11">'
        f"<style>{_SYSTEM}</style><title>{told}</title>{_hatching(hatch)}"
        f"{''.join(body)}{_legend(texts, ends, lives, legend, hatch)}</svg>"
    )


def _hatching(name: str) -> str:
    return (
        f'<defs><pattern id="{name}" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="2.4" height="5" style="fill:{_LOST}"/></pattern></defs>'
    )


def _row(row: Row, now: float, top: float, hatch: str, zone: tzinfo | None) -> str:
    bar = top + _ABOVE
    parts = [_session(piece, bar, hatch, now, zone) if piece.life else _silence(piece, bar) for piece in row.pieces]
    return "".join(
        [*parts, *_gap_labels(row, top + _ABOVE - 5), *_time_labels(row, bar + _BAR + _BELOW + 9, now, zone)]
    )


def _session(piece: Piece, top: float, hatch: str, now: float, zone: tzinfo | None) -> str:
    life, left, width = piece.life, piece.left, piece.width
    assert life is not None
    lived = max(life.last_sign - life.began, 1e-9)
    lost = _seen(life.lost_seconds / lived, life.lost_steps, width)
    saving = min(_seen(life.saving_seconds / lived, life.saves, width), 1 - lost)
    trained = width * (1 - lost)
    drawn = [_box(left, top, trained, _BAR, f'style="fill:{_TRAINING}"')]
    if lost:
        frame = f'fill="url(#{hatch})" style="stroke:{_LOST}"'
        drawn.append(_box(left + trained, top + 0.5, width - trained, _BAR - 1, frame))
    if saving:
        drawn.append(_box(left, top + _BAR - 5, width * saving, 5, ""))
    mark = _mark(_end(life), f"{left + width:.3f}%", top + _BAR + 9)
    return f"<g><title>{escape(printable(_about(life, now, zone)))}</title>{''.join(drawn)}{mark}</g>"


def _seen(share: float, count: int, width: float) -> float:
    """The part of a bar for something that was so often there: to scale, but no thinner than 3 px."""
    return min(1.0, max(share, 3 / (_NARROW * width))) if count > 0 else 0.0


def _silence(piece: Piece, top: float) -> str:
    left, right, middle = piece.left, piece.left + piece.width, top + _BAR / 2
    line = 'stroke="currentColor" stroke-opacity=".6"'
    dashes = f'<line x1="{left:.3f}%" x2="{right:.3f}%" y1="{middle}" y2="{middle}" {line} stroke-dasharray="2 3"/>'
    if not piece.broken:
        return dashes
    cut = '<path d="M-6 7L-1 -7M1 7L6 -7" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    return f"{dashes}{_at(f'{(left + right) / 2:.3f}%', middle, cut)}"


def _gap_labels(row: Row, base: float) -> list[str]:
    """How long the broken silences were, the longest first, where there is room above the bars."""
    taken: list[tuple[float, float]] = []
    labels = []
    for piece in sorted((one for one in row.pieces if one.broken), key=lambda one: -one.seconds):
        text = span(piece.seconds)
        half = len(text) * _LETTER / 2 / _NARROW
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


def _legend_texts(lives: Sequence[Life], now: float) -> list[tuple[str, str]]:
    lived = sum(life.last_sign - life.began for life in lives)
    lost, saving = (sum(getattr(life, name) for life in lives) for name in ("lost_seconds", "saving_seconds"))
    silent = sum(piece.seconds for row in rows_of(lives, now) for piece in row.pieces if piece.life is None)
    return [
        ("training", f"training, {span(lived)} in all"),
        ("saving", f"saving, {duration(saving) if saving else 'nothing measured'}"),
        ("lost", f"lost and done again, {duration(lost) if lost else 'nothing'}"),
        ("silence", f"silence, {span(silent)}"),
    ]


def _legend(
    texts: Sequence[tuple[str, str]], ends: Sequence[str], lives: Sequence[Life], top: float, hatch: str
) -> str:
    items = [(_swatch(name, hatch), text) for name, text in texts]
    items += [("", "")] * (len(items) % 2)
    for name in ends:
        count = sum(_end(life) == name for life in lives)
        items.append((_shape(name), _ENDS[name][1] + (f", {count} times" if count > 1 else "")))
    drawn = []
    for number, (sign, text) in enumerate(items):
        left, base = 50 * (number % 2), top + _LEGEND * (number // 2) + 12
        drawn.append(
            _at(f"{left}%", base, f'<g transform="translate(8 -4)">{sign}</g><text x="22">{escape(text)}</text>')
        )
    return "".join(drawn)


def _swatch(name: str, hatch: str) -> str:
    box = '<rect x="-8" y="-5" width="16" height="10"'
    return {
        "training": f'{box} style="fill:{_TRAINING}"/>',
        "saving": f'{box} style="fill:{_TRAINING}"/><rect x="-8" y="0" width="16" height="5"/>',
        "lost": f'{box} fill="url(#{hatch})" style="stroke:{_LOST}"/>',
        "silence": '<path d="M-8 0H8" stroke="currentColor" stroke-dasharray="2 3"/>',
    }[name]


def _mark(end: str, x: str, y: float) -> str:
    return _at(x, y, f'<g transform="translate(-5 0)">{_shape(end)}</g>')


def _shape(end: str) -> str:
    paint = "" if end == "lives" else ' fill="none" stroke="currentColor" stroke-width="1.6"'
    return f'<path d="{_ENDS[end][0]}"{paint}/>'


def _at(x: str, y: float, content: str) -> str:
    """Put it there: a path cannot have percents."""
    return f'<svg x="{x}" y="{y}" overflow="visible">{content}</svg>'


def _box(left: float, top: float, width: float, height: float, paint: str) -> str:
    return f'<rect x="{left:.3f}%" y="{top}" width="{width:.3f}%" height="{height}" {paint}/>'


def _text(left: float, base: float, text: str, anchor: str) -> str:
    return f'<text x="{left:.3f}%" y="{base}" text-anchor="{anchor}">{escape(text)}</text>'


def _end(life: Life) -> str:
    if life.lives:
        return "lives"
    return life.ended if life.ended in _ENDS else ""


def _about(life: Life, now: float, zone: tzinfo | None) -> str:
    """One session in words, which a pointer shows."""
    told = [
        f"session {life.session}, {moment(life.began, now, zone)}, {span(life.last_sign - life.began)}",
        life.machine,
        f"began by: {life.why}" if life.why else "",
        f"steps {life.first_step} to {life.last_step}",
        f"lost {life.lost_steps} steps = {duration(life.lost_seconds)}" if life.lost_steps else "",
        _ENDS[_end(life)][1],
    ]
    return "; ".join(text for text in told if text)


def _words(lives: Sequence[Life], texts: Sequence[tuple[str, str]]) -> str:
    """The whole picture in words."""
    if not lives:
        return "No session has worked on this run."
    count = f"{len(lives)} sessions" if len(lives) > 1 else "1 session"
    return f"{count} over time: {'; '.join(text for _, text in texts)}; the last one {_ENDS[_end(lives[-1])][1]}."
