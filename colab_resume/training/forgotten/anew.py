"""`for` loops around `run.boundary()` that are none of the run's: a restart begins them anew, and nobody would notice.

What such a loop goes over is read from the byte code. It goes on where it was if that is a loop of the run, or if it is
made of the run or of its values: `range(s.step, n)`, `data[run.status().step :]`.
"""

from __future__ import annotations

import dis
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import takewhile
from types import CodeType, FrameType
from typing import Any

from ..around import draws_from_a_run
from ..by_hand import loops_around
from ..data.users_code import is_users_file
from ..objects.parts import Values
from .carried import values_of, variables_of

__all__ = ["begins_anew"]

_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_LOOPS_OF_THE_RUN = {"batches", "boundary", "epochs", "status", "steps"}


def begins_anew(frame: FrameType | None, outside: Collection[tuple[int, int]]) -> str:
    """The innermost `for` loop that code in `frame` is in, in its own words, if a restart would begin it anew; or "".

    `outside`: loops that go round for run after run.
    """
    while frame is not None:
        if is_users_file(frame.f_code.co_filename):
            for begin in sorted(loops_around(frame), reverse=True):
                gone_over = _gone_over(frame.f_code, begin)
                if (id(frame), begin) in outside or _goes_on(frame, gone_over):
                    return ""
                return _in_words(gone_over)
        frame = frame.f_back
    return ""


def _goes_on(frame: FrameType, gone_over: Sequence[dis.Instruction]) -> bool:
    names = [name for step in gone_over for name in _named(step)]
    if not gone_over or _LOOPS_OF_THE_RUN.intersection(names):
        return True  # what cannot be read may be anything
    if any(isinstance(value, Values) or _is_a_runs(value) for value in values_of(frame, names).values()):
        return True
    return names[:1] == ["range"] and _arguments(gone_over) != 1


def _is_a_runs(value: Any) -> bool:
    return hasattr(type(value), "__iter__") and draws_from_a_run(value)


def _named(step: dis.Instruction) -> list[str]:
    if step.opname in _ATTRIBUTES:
        return [step.argval]
    return [name for name, reads in variables_of(step) if reads]


def _arguments(gone_over: Sequence[dis.Instruction]) -> int | None:
    """How many the outermost call has."""
    return next((step.arg for step in reversed(gone_over) if step.opname == "CALL"), None)


def _in_words(gone_over: Sequence[dis.Instruction]) -> str:
    """Its first name, with attributes."""
    names = [step for step in gone_over if _named(step)]
    if not names:
        return "constants"
    attributes = takewhile(lambda step: step.opname in _ATTRIBUTES, names[1:])
    said = ".".join(_named(step)[0] for step in (names[0], *attributes))
    return f"{said}(...)" if any(step.opname == "CALL" for step in gone_over) else said


@lru_cache
def _gone_over(code: CodeType, begin: int) -> tuple[dis.Instruction, ...]:
    """The instructions that make what the `for` loop at `begin` goes over: as many as leave one thing on the stack."""
    before = [step for step in dis.get_instructions(code) if step.offset < begin]
    while before and before.pop().opname != "GET_ITER":
        pass
    made = 0
    for number in range(len(before) - 1, -1, -1):
        made += dis.stack_effect(before[number].opcode, before[number].arg, jump=False)
        if made == 1:
            return tuple(before[number:])
    return ()
