"""What an object can reach when it runs: its parts, and for the user's own code whatever that names or encloses.

In a notebook `rng = np.random.default_rng(0)` is a global variable, and a transform is a function that draws from it.
So functions and the methods of classes are looked into if they are the user's own: those of installed packages and of
python itself keep what they need in attributes, and would lead into all of torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import BuiltinMethodType, CodeType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, TypeVar

import numpy as np
import torch

from .users_code import is_users_file, is_users_module, is_users_own

__all__ = ["parts", "reachable"]

T = TypeVar("T")

_DEEP = 12
"""Subset, dataset, transform, composed transform, its list, a function, what that calls, the generator: eight."""
_MOST = 10_000
"""So many objects are looked at; a dataset that is made of more has what is looked for near the top."""
_PLAIN = (str, bytes, int, float, complex, type(None), torch.Tensor, torch.Size, torch.dtype, np.ndarray, np.generic)
_MANY = 64
"""Longer lists are data. In a list of transforms there are a few."""

_THIS_NAME = __name__.partition(".")[0]
_TALK_ABOUT_THE_CLASS = ("__annotations__", "__dict__", "__doc__", "__module__", "__weakref__")


def reachable(owners: Iterable[Any], wanted: Callable[[Any], T | None], *, leave_out: Iterable[Any] = ()) -> list[T]:
    """What `wanted` gives for objects that these can reach when they run: each once, in a fixed order, nearest first.

    Attributes, items, what the user's own functions name or enclose. What is wanted is not looked into, nor what is to
    be left out.
    """
    # Held until the end: the identity of something that is gone may be given out again.
    met: dict[int, Any] = {id(thing): thing for thing in leave_out}
    found: list[T] = []
    level: list[Any] = list(owners)
    for _ in range(_DEEP):
        level = list(islice(_new(level, met), max(_MOST - len(met), 0)))
        answers = [wanted(thing) for thing in level]
        found += [answer for answer in answers if answer is not None]
        level = [part for thing, answer in zip(level, answers, strict=True) if answer is None for part in parts(thing)]
    return found


def _new(things: Iterable[Any], met: dict[int, Any]) -> Iterator[Any]:
    for thing in things:
        if id(thing) not in met and not isinstance(thing, _PLAIN):
            met[id(thing)] = thing
            yield thing


def parts(thing: Any) -> list[Any]:
    """What it is made of, one level down, in an order that depends on its code alone."""
    if isinstance(thing, list | tuple):
        return list(thing) if len(thing) <= _MANY else []
    if isinstance(thing, dict):
        return list(thing.values()) if len(thing) <= _MANY else []
    if isinstance(thing, ModuleType) or str(type(thing).__module__).partition(".")[0] == _THIS_NAME:
        return []
    if isinstance(thing, type):
        return _of_class(thing) if is_users_own(thing) else []
    return [*_of_code(thing), *_attributes(thing), *filter(is_users_own, type(thing).__mro__)]


def _of_class(kind: type) -> list[Any]:
    return [value for name, value in sorted(vars(kind).items()) if name not in _TALK_ABOUT_THE_CLASS]


def _attributes(thing: Any) -> list[Any]:
    found = getattr(thing, "__dict__", None)
    found = dict(found) if isinstance(found, dict) else {}
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if not name.startswith("__") and hasattr(thing, name):
                found[name] = getattr(thing, name)
    return [found[name] for name in sorted(found, key=str)]


def _of_code(thing: Any) -> list[Any]:
    """What a callable or an iterator made of callables would run with."""
    if isinstance(thing, FunctionType):
        return _of_function(thing) if is_users_file(thing.__code__.co_filename) else []
    if isinstance(thing, GeneratorType):
        return _of_generator(thing)
    if isinstance(thing, MethodType):
        return [thing.__self__, thing.__func__]
    if isinstance(thing, BuiltinMethodType):  # `rng.random`, handed over as a function
        return [thing.__self__]
    if isinstance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, property):
        return [thing.fget]
    if isinstance(thing, map | filter | zip | enumerate):
        made_of = thing.__reduce__()[1]
        return list(made_of) if isinstance(made_of, tuple) else []
    return []


def _of_function(function: FunctionType) -> list[Any]:
    enclosed = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return [*enclosed, *defaults, *_globals(function.__code__, function.__globals__)]


def _of_generator(generator: GeneratorType[Any, Any, Any]) -> list[Any]:
    """Only of one that has not begun: its variables are then what it was given, in every process."""
    frame = generator.gi_frame
    if frame is None or inspect.getgeneratorstate(generator) != inspect.GEN_CREATED:
        return []
    named = _globals(frame.f_code, frame.f_globals) if is_users_file(frame.f_code.co_filename) else []
    return [*frame.f_locals.values(), *named]


def _is_filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:  # the name is assigned only later
        return False
    return True


def _globals(code: CodeType, scope: Mapping[str, Any]) -> list[Any]:
    return list(_named(tuple(dict.fromkeys(_names(code))), scope, set()))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _named(names: tuple[str, ...], scope: Mapping[str, Any], modules: set[int]) -> Iterator[Any]:
    """The variables of these names; `augment.rng` names a variable of the user's module `augment`."""
    for name in names:
        value = scope.get(name)
        if not isinstance(value, ModuleType):
            yield value
        elif id(value) not in modules and is_users_module(value.__name__):
            yield from _named(names, vars(value), modules | {id(value)})
