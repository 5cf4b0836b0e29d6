"""Frameworks that own their loop: `run.attach(thing)`, and then their own `fit` as always.

Which framework it is, the names of the object's classes say; nothing is imported to find out, and only that one after.
"""

from __future__ import annotations

from importlib import import_module
from typing import TypeVar

from ..errors import UsageError
from .host import Host

__all__ = ["attach"]

T = TypeVar("T")

_MODULES = {
    "keras": "keras",
}
"""The first part of a class's module, and who knows it here."""


def attach(run: Host, thing: T) -> T:
    """Let this object's own training be a part of the run; returns the object."""
    known = [_MODULES[top] for kind in type(thing).__mro__ if (top := kind.__module__.partition(".")[0]) in _MODULES]
    if not known:
        raise UsageError(
            f"run.attach({type(thing).__qualname__}): nothing is known of such objects",
            hint=f"attach an object of {', '.join(_MODULES)}, or write the loop with run.epochs and run.batches",
        )
    try:
        module = import_module(f".{known[0]}", __package__)
    except (ImportError, RuntimeError, OSError) as error:
        raise UsageError(
            f"{known[0]} cannot be used as it is installed here: {error}", hint=f"repair or update {known[0]}"
        ) from error
    module.attach(run, thing)
    return thing
