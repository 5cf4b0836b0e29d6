"""Where sessions and silences stand on a timeline, in percent of its width: to scale as far as all can be seen.

Each row holds so many sessions as can be told apart where it is narrow. Within a row the shorter silences are to scale
with the sessions; the longer ones would leave no room, so they get a little each and are called broken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..status import Life

__all__ = ["Piece", "Row", "rows_of"]

_A_ROW = 20
"""Sessions."""
_SESSION, _SILENCE, _BROKEN = 2.2, 1.5, 9.0
"""What each gets at least, in percent."""
_BROKEN_IN_ALL = 30.0
_SILENCE_TO_SCALE = 0.35
"""Of the time that the sessions of a row lived, so much silence is drawn to scale."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A session, or a silence if there is no `life`; from `left` on, `width` percent wide."""

    life: Life | None
    seconds: float
    broken: bool
    left: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """Pieces from left to right; the row ends at `end`, in seconds since 1970, where the next one `goes_on`, if any."""

    pieces: tuple[Piece, ...]
    end: float
    goes_on: bool


def rows_of(lives: Sequence[Life], now: float) -> list[Row]:
    """Between two sessions there is a silence, and one after the last unless that lives or has finished."""
    count = math.ceil(len(lives) / _A_ROW)
    size = math.ceil(len(lives) / count) if count else 1
    rows = []
    for first in range(0, len(lives), size):
        some = lives[first : first + size]
        following = lives[first + size] if first + size < len(lives) else None
        end = following.began if following is not None else some[-1].last_sign if _is_over(some[-1]) else now
        rows.append(Row(pieces=_laid_out(some, end), end=end, goes_on=following is not None))
    return rows


def _is_over(life: Life) -> bool:
    return life.ended == "clean" and not life.lives


def _laid_out(lives: Sequence[Life], end: float) -> tuple[Piece, ...]:
    begins = [*(life.began for life in lives[1:]), end]
    lived = [max(0.0, life.last_sign - life.began) for life in lives]
    # Of two that lived at the same time, the second stands behind the first.
    pairs = zip(lives, begins, strict=True)
    silent = [0.0 if life.lives else max(0.0, begin - life.last_sign) for life, begin in pairs]
    if not silent[-1]:
        silent.pop()
    broken = _broken(silent, sum(lived))
    each = min(_BROKEN, _BROKEN_IN_ALL / max(1, len(broken)))
    room = 100 - each * len(broken)
    shown = [gap for number, gap in enumerate(silent) if number not in broken]
    widths = iter(_shared([*lived, *shown], [_SESSION] * len(lived) + [_SILENCE] * len(shown), room))
    sessions = [next(widths) for _ in lived]
    silences = [each if number in broken else next(widths) for number in range(len(silent))]
    pieces, left = [], 0.0
    for number, life in enumerate(lives):
        pieces.append(Piece(life=life, seconds=lived[number], broken=False, left=left, width=sessions[number]))
        left += sessions[number]
        if number < len(silent):
            wide, cut = silences[number], number in broken
            pieces.append(Piece(life=None, seconds=silent[number], broken=cut, left=left, width=wide))
            left += wide
    return tuple(pieces)


def _broken(silent: Sequence[float], lived: float) -> set[int]:
    """The numbers of the silences that would leave too little room for the sessions."""
    found, shown = set(), 0.0
    for number in sorted(range(len(silent)), key=lambda one: silent[one]):
        if shown + silent[number] > _SILENCE_TO_SCALE * lived:
            found.add(number)
        else:
            shown += silent[number]
    return found


def _shared(seconds: Sequence[float], least: Sequence[float], room: float) -> list[float]:
    """Parts of `room` in proportion to the seconds, none smaller than its least; these must fit."""
    small: set[int] = set()
    while True:
        free = room - sum(least[number] for number in small)
        total = sum(one for number, one in enumerate(seconds) if number not in small)
        # In this order: a room divided by next to nothing has no number.
        shares = [one / total * free if total > 0 else 0.0 for one in seconds]
        more = {number for number, share in enumerate(shares) if share < least[number]} - small
        if not more:
            break
        small |= more
    if total > 0:
        return [least[number] if number in small else share for number, share in enumerate(shares)]
    # Nobody lived long enough to be measured: all are equal.
    return [one * room / sum(least) for one in least]
