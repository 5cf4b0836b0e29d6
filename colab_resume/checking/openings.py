"""What kinds of objects there are in a training, and what each of them refers to, with the names the user gave."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum
from functools import _lru_cache_wrapper, partial
from types import BuiltinMethodType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset, Sampler

from ..training.data.users_code import is_users_module, is_users_own
from .bindings import Attributes, Bindings, Cells, ClassAttributes, Names, SlotAttributes
from .fingerprint import is_plain
from .named import named_attributes, named_globals, needs_no_look

__all__ = [
    "CHILDREN",
    "CONTAINERS",
    "Opened",
    "Reference",
    "is_data",
    "is_generator",
    "is_stateful",
    "opened",
    "refers",
]

CONTAINERS = (list, dict, set, deque, bytearray)
CHILDREN = ("_parameters", "_buffers", "_modules")
"""The dicts in which a `torch.nn.Module` keeps what its user sees as attributes."""
_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
_TORCH = (torch.nn.Module, torch.optim.Optimizer, DataLoader, Dataset, Sampler)


class Reference(NamedTuple):
    """Something that an object is made of; `label` is what is added to the object's path to name it."""

    label: str
    thing: Any


class Opened(NamedTuple):
    """What an object refers to: by names that can be bound anew (each place with its path), and otherwise."""

    bindings: list[tuple[str | None, Bindings]]
    """None as path: these are variables, whose names stand for themselves."""
    references: list[Reference]


def is_generator(thing: Any) -> bool:
    """Whether this is a random generator with a state of its own; the global ones belong to the run."""
    if not isinstance(thing, _GENERATORS) or isinstance(thing, random.SystemRandom):
        return False
    everybodys = (random._inst, np.random.mtrand._rand, torch.default_generator, *torch.cuda.default_generators)
    return not any(thing is one for one in everybodys)


def is_stateful(thing: Any) -> bool:
    """Whether this is an object that a run should track: a module, an optimizer, a generator, or the like."""
    has_state = hasattr(type(thing), "state_dict") and hasattr(type(thing), "load_state_dict")
    return (has_state or is_generator(thing)) and not isinstance(thing, (type, DataLoader))


def is_data(thing: Any) -> bool:
    """Whether this gives the training its data; what lies in it is large and does not change."""
    return isinstance(thing, (DataLoader, Dataset, Sampler))


def refers(thing: Any) -> bool:
    """Whether what this refers to belongs to somebody else: the parameters of an optimizer, a scheduler's optimizer."""
    return isinstance(thing, (torch.optim.Optimizer, LRScheduler))


def opened(thing: Any, path: str, *, at_most: int) -> Opened:
    """Look into one object; a container with more than `at_most` items is not looked into."""
    if is_plain(thing) or is_generator(thing) or isinstance(thing, ModuleType):
        return Opened([], [])
    if isinstance(thing, (*CONTAINERS, tuple)) and len(thing) > at_most:
        return Opened([], [])
    for kinds, look in _LOOKS:
        if isinstance(thing, kinds):
            return look(thing, path)
    if not _has_nothing(thing):
        return _instance(thing, path)
    return Opened([], [])


def _has_nothing(thing: Any) -> bool:
    if isinstance(thing, _TORCH) or is_stateful(thing):
        return False
    return needs_no_look(type(thing))


def _instance(thing: Any, path: str) -> Opened:
    places: list[tuple[str | None, Bindings]] = []
    if isinstance(getattr(thing, "__dict__", None), dict):
        places.append((path, Attributes(thing)))
    places.append((path, SlotAttributes(thing)))
    return Opened(places, _contents(thing, path).references + _code_of(type(thing)))


def _contents(thing: Any, _path: str) -> Opened:
    """The items of whatever contains some; a set's cannot be named."""
    if isinstance(thing, dict):
        pairs: Iterator[tuple[str, Any]] = ((_key(key, place), item) for place, (key, item) in enumerate(thing.items()))
        return Opened([], [Reference(label, item) for label, item in pairs])
    if isinstance(thing, (list, tuple, deque)):
        return Opened([], [Reference(f"[{place}]", item) for place, item in enumerate(thing)])
    if isinstance(thing, np.ndarray) and thing.dtype.hasobject:
        return Opened([], [Reference(f"[{place}]", item) for place, item in enumerate(thing.flat)])
    return Opened([], [])


def _container(thing: Any, path: str) -> Opened:
    own = _instance(thing, path) if isinstance(getattr(thing, "__dict__", None), dict) else None
    return own or _contents(thing, path)


def _key(key: Any, place: int) -> str:
    return f"[{key!r}]" if isinstance(key, (str, int)) else f"[#{place}]"


def _tensor(thing: torch.Tensor, path: str) -> Opened:
    # `.grad` of any other tensor is None, and torch warns whoever asks.
    grad = thing.grad if thing.is_leaf else None
    references = [] if grad is None else [Reference(".grad", grad)]
    return Opened([(path, Attributes(thing))] if vars(thing) else [], references)


def _function(thing: FunctionType, path: str) -> Opened:
    if not is_users_module(thing.__globals__.get("__name__")):
        # A decorator of a library: only what it decorates is the user's.
        inside = [Cells(thing).get(name) for name in Cells(thing).names()]
        inside.append(vars(thing).get("__wrapped__"))
        return Opened([], [Reference("", one) for one in inside if callable(one)])
    names = named_globals(thing)
    places: list[tuple[str | None, Bindings]] = [
        (None, Names(thing.__globals__, names)),
        (None, Cells(thing)),
        (path, Attributes(thing)),
    ]
    for name in sorted(names):
        module = thing.__globals__.get(name)
        if isinstance(module, ModuleType) and is_users_module(module.__name__):
            places.append((name, Names(vars(module), named_attributes(thing, module))))
    return Opened(places, [Reference(f":{name}", value) for name, value in _defaults(thing)])


def _defaults(function: FunctionType) -> Iterator[tuple[str, Any]]:
    values = function.__defaults__ or ()
    parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
    yield from zip(parameters[len(parameters) - len(values) :], values, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def _method(thing: MethodType, _path: str) -> Opened:
    return Opened([], [Reference("", thing.__func__), Reference("", thing.__self__)])


def _builtin(thing: BuiltinMethodType, _path: str) -> Opened:
    owner = thing.__self__
    return Opened([], [] if owner is None or isinstance(owner, (ModuleType, type)) else [Reference("", owner)])


def _partial(thing: partial[Any], _path: str) -> Opened:
    code = getattr(thing.func, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    positions = [f":{names[n]}" if n < len(names) else f"[{n}]" for n in range(len(thing.args))]
    arguments = [*zip(positions, thing.args, strict=True), *((f":{key}", one) for key, one in thing.keywords.items())]
    return Opened([], [Reference("", thing.func), *(Reference(label, one) for label, one in arguments)])


def _wrapped(thing: Any, _path: str) -> Opened:
    inside = (getattr(thing, name, None) for name in ("__func__", "__wrapped__", "fget", "fset", "fdel"))
    return Opened([], [Reference("", one) for one in inside if one is not None])


def _class(thing: type, _path: str) -> Opened:
    if not is_users_own(thing) or issubclass(thing, Enum):
        return Opened([], [])
    parents = [Reference("", parent) for parent in thing.__bases__ if is_users_own(parent)]
    return Opened([(thing.__name__, ClassAttributes(thing))], parents)


def _code_of(kind: type) -> list[Reference]:
    return [Reference("", kind)] if is_users_own(kind) else []


_LOOKS: tuple[tuple[Any, Callable[[Any, str], Opened]], ...] = (
    (torch.Tensor, _tensor),
    (CONTAINERS, _container),
    ((tuple, frozenset, np.ndarray), _contents),
    (FunctionType, _function),
    (MethodType, _method),
    (BuiltinMethodType, _builtin),
    (partial, _partial),
    ((staticmethod, classmethod, property, _lru_cache_wrapper), _wrapped),
    (type, _class),
)
