"""What a function's code names, and what is left alone: the way from a step to all that it can touch."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..training.data.users_code import is_users_own
from ..training.forgotten.carried import named_globals as globals_of

__all__ = ["is_one_way", "is_ours", "named_attributes", "named_globals", "needs_no_look"]

_PACKAGE = __name__.partition(".")[0]
# What these show or send cannot be taken back, and what they hold is theirs alone.
_MACHINERY = (
    *("IPython", "comm", "google", "ipykernel", "ipywidgets", "matplotlib", "tornado", "tqdm", "traitlets", "zmq"),
    *("jax", "keras", "mlflow", "tensorboard", "tensorboardX", "tensorflow", "wandb"),
)
_SIMPLE_STANDARD = ("types.SimpleNamespace", "argparse.Namespace", "collections.UserDict", "collections.UserList")


def is_ours(kind: type[Any]) -> bool:
    """Whether a class is this package's own."""
    return kind.__module__.partition(".")[0] == _PACKAGE


def needs_no_look(kind: type[Any]) -> bool:
    """Whether instances of this class are left alone: machinery of a library, which has nothing of the training."""
    name, top = f"{kind.__module__}.{kind.__qualname__}", kind.__module__.partition(".")[0]
    if name.startswith((*_SIMPLE_STANDARD, f"{_PACKAGE}.training.")) or is_users_own(kind):
        return False
    return top in sys.stdlib_module_names or top in _MACHINERY or top in {_PACKAGE, "torch"}


def is_one_way(thing: Any) -> bool:
    """Whether this is an iterator that gives each item once and cannot be set back."""
    top = type(thing).__module__.partition(".")[0]
    return hasattr(type(thing), "__next__") and top in {"builtins", "itertools", "torch"} and not _is_file(thing)


def _is_file(thing: Any) -> bool:
    return isinstance(thing, io.IOBase)


def named_globals(function: FunctionType) -> frozenset[str]:
    """The names of globals that a function's code reads or writes, with those of the functions inside it."""
    return globals_of(function.__code__)


def named_attributes(function: FunctionType, module: ModuleType) -> list[str]:
    """The names in the function's code that stand for something in this module."""
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    return sorted(names & vars(module).keys())


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
