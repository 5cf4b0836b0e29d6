"""Batches that are drawn with `next`, in a `for` loop that is none of the run's: `for i in range(n): x = next(it)`.

After a restart that loop begins anew, while the pass goes on where it was: more steps would be trained, or at other
learning rates, and nobody would notice. The byte code of the function that draws tells which loops are around the draw,
and which of those were around the place where the pass was begun; the others hand out single batches.
"""

from __future__ import annotations

import dis
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

from ..errors import UsageError

__all__ = ["Spot"]


@dataclass(frozen=True)
class Spot:
    """Where a function is: in which of its calls, and inside of which of its `for` loops, by their places in it."""

    call: int
    loops: frozenset[int]

    @classmethod
    def of(cls, frame: FrameType) -> Spot:
        """Where it is now."""
        here = frame.f_lasti
        return cls(id(frame), frozenset(begin for begin, end in _loops(frame.f_code) if begin < here < end))

    def refuse_loops_between(self, draw: Spot) -> None:
        """`UsageError` if a pass that was begun here is drawn from there, in a loop that was not entered here."""
        if self.call == draw.call and draw.loops - self.loops:
            raise UsageError(
                "a `for` loop that is none of the run's draws with next() from run.batches, and would begin anew after "
                "a restart, in the middle of the pass",
                hint="say `for step in run.steps(n)` in place of range(n), or `for i, batch in "
                "enumerate(run.batches(loader))`",
            )


@lru_cache
def _loops(code: CodeType) -> Collection[tuple[int, int]]:
    """Where each `for` loop of a function asks for the next item, and where it goes when there is none."""
    return [(one.offset, one.argval) for one in dis.get_instructions(code) if one.opname == "FOR_ITER"]
