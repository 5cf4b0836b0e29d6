"""Which variables a loop of the user's code carries from turn to turn, by its byte code.

`total += loss` reads before it writes, so what it reads is left from the turn before; `loss = step(x)` is made anew in
each turn. What a loop only reads, a list or an object, it may change as well; so may the functions that it calls.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from types import CodeType, FrameType, FunctionType
from typing import Any

from ..data.users_code import is_users_file, is_users_own
from .turns import made_in_some_turns

__all__ = [
    "Body",
    "body_at",
    "carried",
    "left_by",
    "made_before",
    "named_globals",
    "read_attributes",
    "values_of",
    "variables_of",
]

_VARIABLES = ("_FAST", "_NAME", "_GLOBAL", "_DEREF", "_CLOSURE")
_GLOBALS = ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME")
_DEEP = 3
"""The loop, a function that it calls, and one that this one calls."""


@dataclass(frozen=True)
class Body:
    """A loop: the place of its first and its last instruction, the variables that it reads before it writes them, those
    that it makes anew, and of these those that it makes in some turns only and that the code behind it may read."""

    begin: int
    end: int
    carries: tuple[str, ...]
    makes: frozenset[str]
    leaves: tuple[str, ...]


def body_at(frame: FrameType) -> Body | None:
    """The innermost loop that a frame is in; None if it is in none."""
    here = [body for body in _bodies(frame.f_code) if body.begin <= frame.f_lasti <= body.end]
    return min(here, key=lambda body: body.end - body.begin, default=None)


def made_before(frame: FrameType, body: Body) -> frozenset[str]:
    """The variables that are set between the beginning of the turn around this loop and the loop, and not by the loop
    itself; if nothing is around it in its function, those that the function was given or has set."""
    changed = _set_between(frame.f_code, body.begin, body.end)
    around = [one.begin for one in _bodies(frame.f_code) if one.begin < body.begin and body.end <= one.end]
    if around:
        return _set_between(frame.f_code, max(around), body.begin) - changed
    if not frame.f_code.co_flags & inspect.CO_OPTIMIZED:
        return frozenset()
    given = inspect.getargs(frame.f_code)
    return _set_between(frame.f_code, -1, body.begin).union(given.args) - changed


@lru_cache
def _set_between(code: CodeType, begin: int, end: int) -> frozenset[str]:
    steps = (step for step in dis.get_instructions(code) if begin < step.offset < end)
    return frozenset(name for step in steps for name, reads in variables_of(step) if not reads)


def carried(frame: FrameType, body: Body) -> dict[str, Any]:
    """The variables of this loop and of the user's functions that it calls, by name, with what they are now."""
    found: dict[str, Any] = {}
    level = values_of(frame, body.carries)
    for _ in range(_DEEP):
        found = {**level, **found}
        level = {
            name: value
            for one in level.values()
            if type(one) is FunctionType and is_users_file(one.__code__.co_filename)
            for name, value in _variables(one)
            if name not in found and name not in body.makes
        }
    return {name: value for name, value in found.items() if value is not _UNBOUND}


def left_by(frame: FrameType, body: Body) -> dict[str, Any]:
    """What the variables are now that are made in some turns of this loop only; None for one that is not there yet."""
    return {name: None if value is _UNBOUND else value for name, value in values_of(frame, body.leaves).items()}


def values_of(frame: FrameType, names: Iterable[str]) -> dict[str, Any]:
    """What these variables are now, local ones and global ones."""
    near, far = frame.f_locals, frame.f_globals
    values = {name: near[name] if name in near else far.get(name, _UNBOUND) for name in names}
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and isinstance(near, dict):
        near.clear()  # up to Python 3.12 a copy that lives as long as the call, and would keep a batch and its graph
    return values


_UNBOUND = object()


@lru_cache
def _bodies(code: CodeType) -> tuple[Body, ...]:
    """All loops: what lies between the target of a jump backward and the jump."""
    steps = list(dis.get_instructions(code))
    ends: dict[int, int] = {}
    for step in steps:
        if "JUMP" in step.opname and isinstance(step.argval, int) and step.argval <= step.offset:
            ends[step.argval] = max(step.offset, ends.get(step.argval, 0))
    is_cell = not code.co_flags & inspect.CO_OPTIMIZED  # any other cell may read what it leaves
    return tuple(_body(steps, begin, end, is_cell) for begin, end in ends.items())


def _body(steps: list[dis.Instruction], begin: int, end: int, is_cell: bool) -> Body:
    inside = [step for step in steps if begin <= step.offset <= end]
    named = [tuple(variables_of(step)) for step in inside]
    read_first: dict[str, bool] = {}
    for name, reads in chain.from_iterable(named):
        read_first.setdefault(name, reads)
    carries = tuple(name for name, reads in read_first.items() if reads)
    makes = frozenset(read_first.keys() - set(carries))
    leaves = makes & made_in_some_turns(inside, [{name for name, reads in one if not reads} for one in named])
    if not is_cell:
        leaves &= {name for step in steps if step.offset > end for name, reads in variables_of(step) if reads}
    return Body(begin, end, carries, makes, tuple(sorted(leaves)))


def variables_of(step: dis.Instruction) -> Iterator[tuple[str, bool]]:
    """The variables that an instruction names, each with whether it reads it; `STORE_FAST_LOAD_FAST` names two.

    A function inside, such as `(x * scale for x in parts)`, is made there and reads what it names of global ones.
    """
    if isinstance(step.argval, CodeType):
        yield from ((name, True) for name in sorted(named_globals(step.argval)))
    if not step.opname.startswith(("LOAD_", "STORE_")) or not any(kind in step.opname for kind in _VARIABLES):
        return
    names = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    writes = [step.opname.startswith("STORE_"), "_STORE_" in step.opname]
    for name, stores in zip(names, writes, strict=False):
        if isinstance(name, str):
            yield name, not stores


def _variables(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function takes from outside of itself: global variables and enclosed ones."""
    for name in named_globals(function.__code__):
        yield name, function.__globals__.get(name, _UNBOUND)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # it is assigned only later
            yield name, cell.cell_contents


@lru_cache(maxsize=4096)
def named_globals(code: CodeType) -> frozenset[str]:
    """The names of global variables that code reads or writes, with those of the functions inside it."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    own = (str(step.argval) for step in dis.get_instructions(code) if step.opname in _GLOBALS)
    return frozenset(own).union(*map(named_globals, inner))


def read_attributes(kind: type[Any]) -> frozenset[str]:
    """The names of attributes, of whatever, that methods of this class read."""
    methods = (value for one in kind.__mro__ if is_users_own(one) for value in vars(one).values())
    return frozenset().union(*(_read(one.__code__) for one in methods if isinstance(one, FunctionType)))


@lru_cache
def _read(code: CodeType) -> frozenset[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    own = (str(step.argval) for step in dis.get_instructions(code) if step.opname == "LOAD_ATTR")
    return frozenset(own).union(*map(_read, inner))
