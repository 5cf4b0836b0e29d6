"""The replay proof: the steps that were lost run again, and what they log is held against what they logged before.

Two values are identical if they have the same type and the same bits; so NaN is identical to the same NaN only, and
0.0 is not -0.0. Steps that are not logged again are counted, not blamed: the user may log less often now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .records import Record, Scalar, bits

__all__ = ["Replay", "ReplayReport"]


@dataclass(frozen=True)
class ReplayReport:
    """How many records were lost, how many of them were logged again so far, and how many of these were identical."""

    lost: int
    replayed: int = 0
    identical: int = 0
    first_difference: str | None = None
    over: bool = False
    noun: str = "records"

    @property
    def line(self) -> str:
        if not self.lost:
            return "nothing to replay"
        if self.first_difference:
            return f"{self.first_difference} (first difference)"
        proved = f"{self.identical} of {self.lost} {self.noun} bit-identical"
        if self.identical == self.lost:
            return proved
        return f"{proved}, the others were not logged again" if self.over else f"{proved} so far"


class Replay:
    """Fed with each newly logged record by the loop; `report` may be read from any thread."""

    def __init__(self, lost: Sequence[Record]) -> None:
        self._lost: dict[int, deque[Record]] = {}
        for record in lost:
            self._lost.setdefault(record.step, deque()).append(record)
        self._last = max(self._lost, default=-1)
        only_losses = all(list(record.values) == ["loss"] for record in lost)
        self._report = ReplayReport(len(lost), over=not lost, noun="losses" if only_losses else "records")

    @property
    def report(self) -> ReplayReport:
        return self._report

    @property
    def line(self) -> str:
        return self._report.line

    def observe(self, record: Record) -> None:
        """A step that was logged several times is compared in the order of its records."""
        if self._report.over:
            return
        if record.step > self._last:
            self._report = replace(self._report, over=True)
            return
        if not self._lost.get(record.step):
            return
        difference = _difference(self._lost[record.step].popleft(), record)
        report = self._report
        self._report = replace(
            report,
            replayed=report.replayed + 1,
            identical=report.identical + (difference is None),
            first_difference=report.first_difference or difference,
        )


def _difference(before: Record, now: Record) -> str | None:
    for name in [*before.values, *(name for name in now.values if name not in before.values)]:
        if name not in now.values:
            return f"step {now.step}: {name} {_text(before.values[name])} before, not logged now"
        if name not in before.values:
            return f"step {now.step}: {name} not logged before, {_text(now.values[name])} now"
        old, new = before.values[name], now.values[name]
        if not _identical(old, new):
            old_text, new_text = _distinct_texts(old, new)
            return f"step {now.step}: {name} {old_text} before, {new_text} now"
    return None


def _identical(old: Scalar, new: Scalar) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return bits(old) == bits(new)
    return type(old) is type(new) and old == new


def _distinct_texts(old: Scalar, new: Scalar) -> tuple[str, str]:
    """As few digits as show the difference; the bits where no digits do."""
    if not (isinstance(old, float) and isinstance(new, float)):
        return repr(old), repr(new)
    for digits in range(4, 18):
        texts = f"{old:.{digits}g}", f"{new:.{digits}g}"
        if texts[0] != texts[1]:
            return texts
    return f"{old} (bits {bits(old)})", f"{new} (bits {bits(new)})"


def _text(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
