"""Text for a terminal: cells that line up, numbers as people say them, and nothing that could steer the terminal.

What is shown comes from folders that others can write to, so whatever is not plainly visible is shown by its escape.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence

__all__ = ["ago", "cut", "duration", "printable", "size", "table", "width"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
# Each unit until the next one is nearer: 59.6 s are a minute.
_SPANS = ((59.5, 1.0, "s"), (59.5 * 60, 60.0, "min"), (47.5 * 3600, 3600.0, "h"), (float("inf"), 24 * 3600.0, "days"))
_GAP = "  "


def size(count: int) -> str:
    """A number of bytes in decimal units, as disks and Drive count: `12.3 MB`."""
    number, unit = float(count), 0
    # 999.95 would be rounded to 1000.0.
    while number >= 999.95 and unit + 1 < len(_UNITS):
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def ago(seconds: float) -> str:
    """How long something has been past; the clocks of two machines may disagree."""
    if seconds < -60:
        return "in the future"
    if seconds < 1:
        return "just now"
    number, unit = next((seconds / one, unit) for below, one, unit in _SPANS if seconds < below)
    return f"{number:.0f} {unit} ago"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def printable(text: str) -> str:
    """The same text with every character that is not plainly visible spelled out."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


def cut(text: str, columns: int | None) -> str:
    """The text, shortened to so many columns; None is any number."""
    if columns is None or width(text) <= columns:
        return text
    kept = text
    while kept and width(kept) + 1 > columns:
        kept = kept[:-1]
    return f"{kept}…"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = (), columns: int | None = None
) -> list[str]:
    """Aligned lines, each cut to `columns`; the columns named in `right` hold numbers."""
    cells = [list(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    lines = (_GAP.join(map(_padded, row, widths, (name in right for name in head))).rstrip() for row in cells)
    return [cut(line, columns) for line in lines]


def _padded(cell: str, columns: int, to_the_right: bool) -> str:
    blank = " " * (columns - width(cell))
    return blank + cell if to_the_right else cell + blank
