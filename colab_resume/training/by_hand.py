"""`for` loops of the user's code that are none of the run's, and begin anew after a restart; the byte code shows them.

In `for i in range(n): x = next(it)` the pass would go on where it was: more steps would be trained, or at other
learning rates, and nobody would notice. It is refused: a loop around the draw that is not around the place where the
pass was begun hands out single batches. `for epoch in range(n): for x in run.batches(loader)` trains right, since
passes that are done hand out nothing; but all else in that loop runs once more for each of them.
"""

from __future__ import annotations

import dis
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType

from ..errors import UsageError
from .data.users_code import is_users_file

__all__ = ["Spot", "loops_around", "loops_outward"]


@dataclass(frozen=True)
class Spot:
    """Where a function is: in which of its calls, and inside of which of its `for` loops, by their places in it."""

    call: int
    loops: frozenset[int]

    @classmethod
    def of(cls, frame: FrameType) -> Spot:
        """Where it is now."""
        return cls(id(frame), loops_around(frame))

    def refuse_loops_between(self, draw: Spot) -> None:
        """`UsageError` if a pass that was begun here is drawn from there, in a loop that was not entered here."""
        if self.call == draw.call and draw.loops - self.loops:
            raise UsageError(
                "a `for` loop that is none of the run's draws with next() from run.batches, and would begin anew after "
                "a restart, in the middle of the pass",
                hint="say `for step in run.steps(n)` in place of range(n), or `for i, batch in "
                "enumerate(run.batches(loader))`",
            )


def loops_around(frame: FrameType) -> frozenset[int]:
    """The `for` loops that this frame is in, by the places where they ask for the next item."""
    here = frame.f_lasti
    return frozenset(begin for begin, end in _loops(frame.f_code) if begin < here < end)


def loops_outward(frame: FrameType | None) -> frozenset[tuple[int, int]]:
    """The `for` loops that the user's code is in, in this frame and those that called it: call and place."""
    found: set[tuple[int, int]] = set()
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            spot = Spot.of(frame)
            found.update((spot.call, loop) for loop in spot.loops)
        frame = frame.f_back
    return frozenset(found)


@lru_cache
def _loops(code: CodeType) -> Collection[tuple[int, int]]:
    """Where each `for` loop of a function asks for the next item, and where it goes when there is none."""
    return [(one.offset, one.argval) for one in dis.get_instructions(code) if one.opname == "FOR_ITER"]
