"""One metric over the steps of the whole run, thinned out to what a picture can show, for a price that does not grow.

The metric is the one called `loss` if there is one, else the first number that is logged. Of earlier sessions only as
many lines are read as will be shown; what cannot be read is left out of the picture, for it is only a picture: the
history itself is `training/journal.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ..errors import DamagedCheckpoint
from ..status import Curve
from .journal import journal_parent, journals_in
from .records import Mark, Record, Scalar, parse_record

__all__ = ["CurveKeeper", "earlier_records"]

_PREFERRED = "loss"
_MOST = 400
"""Points; more are thinned out, every second one."""
_SESSIONS = 50


class CurveKeeper:
    """Told of each record by the loop; `curve` may be read from any thread."""

    def __init__(self, earlier: tuple[Record, ...] = ()) -> None:
        self._name = ""
        self._points: list[tuple[int, float]] = []
        self._restarts: list[int] = []
        self._each, self._seen = 1, 0
        self._first_of_session = False
        before = ""
        for record in earlier:
            self._first_of_session = bool(before) and record.session != before
            before = record.session
            self.observe(record.step, record.values)
        self._each, self._seen = 1, 0
        self._first_of_session = bool(earlier)

    @property
    def curve(self) -> Curve | None:
        """As it is now; None as long as no number was logged."""
        if not self._name:
            return None
        return Curve(name=self._name, points=tuple(self._points), restarts=tuple(self._restarts))

    def observe(self, step: int, values: Mapping[str, Scalar]) -> None:
        """One record more."""
        number = self._number(values)
        if number is None:
            return
        if self._first_of_session:
            self._first_of_session = False
            self._restarts.append(step)
        self._seen += 1
        if self._seen % self._each:
            return
        self._points.append((step, number))
        if len(self._points) > _MOST:
            # In one assignment: the display may be looking.
            self._points = self._points[1::2]
            self._each *= 2

    def _number(self, values: Mapping[str, Scalar]) -> float | None:
        if self._name != _PREFERRED and _is_number(values.get(_PREFERRED)):
            self._name, self._points, self._each = _PREFERRED, [], 1
        if not self._name:
            self._name = next((name for name, value in values.items() if _is_number(value)), "")
        value = values.get(self._name)
        return float(value) if isinstance(value, (int, float)) and _is_number(value) else None


def earlier_records(folder: Path, mark: Mark | None) -> tuple[Record, ...]:
    """Some records of the sessions up to `mark`, evenly spread over each, the oldest first."""
    parts: list[tuple[Record, ...]] = []
    seen: set[str] = set()
    journals = journals_in(folder)
    while mark is not None and mark.session not in seen and len(parts) < _SESSIONS:
        seen.add(mark.session)
        path = journals.get(mark.session)
        if path is None:
            break
        parts.append(_some_records(path, mark))
        mark = journal_parent(path)
    return tuple(record for part in reversed(parts) for record in part)


def _some_records(path: Path, mark: Mark) -> tuple[Record, ...]:
    try:
        lines = path.read_bytes()[: mark.bytes].split(b"\n")[1:-1]
    except OSError:
        return ()
    step = max(1, len(lines) // _MOST)
    found = []
    for line in lines[step - 1 :: step]:
        try:
            found.append(parse_record(line, mark.session))
        except (ValueError, DamagedCheckpoint):
            break  # what follows a damaged line is no better known
    return tuple(found)


def _is_number(value: Scalar) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
