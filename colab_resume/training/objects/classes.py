"""Which classes have nothing to them but attributes, which never change, and how one is found by its name."""

from __future__ import annotations

import io
import logging
import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..data.users_code import is_users_own

__all__ = ["bound_to", "has_a_way", "is_named_tuple", "is_node", "is_simulator", "is_steady", "kind_of", "resolve"]

_SIMULATORS = ("gymnasium", "gym")
_NOTHING_TO_THEM = (
    *("builtins.object", "abc.ABC", "typing.Generic", "typing.Protocol", "typing_extensions.Protocol"),
    *("types.SimpleNamespace", "argparse.Namespace", "argparse._AttributeHolder"),
)
_NO_NODES = (torch.nn.Module, torch.optim.Optimizer, Dataset, Sampler, DataLoader, BaseException)
_STEADY = (
    *(FunctionType, ModuleType, type, range, slice, io.IOBase, logging.Logger),
    *(torch.device, torch.layout, np.dtype, DataLoader, Dataset, Sampler),
)
_STEADY_PACKAGES = (
    *("colab_resume", "datetime", "functools", "pathlib", "re", "_thread", "threading", "zoneinfo"),
    *("matplotlib", "pygame", "tensorboard", "tqdm"),
)


def is_node(thing: Any) -> bool:
    """Whether all that there is to it are attributes: of a class of the user's own, or a simulator of Gymnasium's."""
    kind = type(thing)
    if isinstance(thing, _NO_NODES) or hasattr(kind, "__next__") or has_a_way(kind):
        return False
    return _is_bare(kind)


def is_simulator(kind: type) -> bool:
    """Whether a class is one of Gymnasium's, or one that is made of it."""
    return any(_package(one) in _SIMULATORS for one in kind.__mro__)


def is_steady(thing: Any) -> bool:
    """Whether a training that goes on needs nothing of it: it does not change, shows something, or is the data."""
    if isinstance(thing, torch.nn.Module):
        return not any(True for _ in (*thing.parameters(), *thing.buffers()))
    kind = type(thing)
    if isinstance(thing, MethodType | BuiltinFunctionType):
        return bound_to(thing) is None
    return isinstance(thing, _STEADY) or _package(kind) in _STEADY_PACKAGES or kind.__name__ == "EnvSpec"


def bound_to(thing: Any) -> Any:
    """What a method is a method of, of any kind; None if this is none."""
    owner = thing.__self__ if isinstance(thing, MethodType | BuiltinFunctionType) else None
    return None if isinstance(owner, ModuleType | type) else owner


def is_named_tuple(thing: Any) -> bool:
    """Whether it is one of a class of the user's own."""
    return _is_row(type(thing))


def kind_of(kind: type) -> str:
    """Its full name."""
    return f"{kind.__module__}.{kind.__qualname__}"


def resolve(name: Any, *, row: bool = False) -> type[Any] | None:
    """The class of this name, if it is there already and can be made without its code: a node's, or that of a `row`."""
    fits = _is_row if row else _can_be_made
    parts = name.split(".") if isinstance(name, str) else []
    for cut in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:cut]))
        for part in parts[cut:]:
            found = vars(found).get(part) if isinstance(found, ModuleType | type) else None
        if isinstance(found, type) and fits(found):
            return found
    return None


def has_a_way(kind: type) -> bool:
    """Whether it says itself what it needs."""
    pairs = (("state_dict", "load_state_dict"), ("get_state", "set_state"), ("save_state", "load_state"))
    return any(hasattr(kind, one) and hasattr(kind, other) for one, other in pairs)


def _is_bare(kind: type) -> bool:
    return kind is not object and all(map(_has_attributes_alone, kind.__mro__))


def _can_be_made(kind: type) -> bool:
    return _is_bare(kind) and not issubclass(kind, SimpleNamespace)  # which `object.__new__` refuses


def _is_row(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields") and is_users_own(kind)


def _has_attributes_alone(kind: type) -> bool:
    if kind.__module__ == "collections.abc" or kind_of(kind) in _NOTHING_TO_THEM:
        return True
    return is_users_own(kind) or is_simulator(kind)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
