"""Trainings whose loop belongs to a framework: their trainer is handed over, and the run goes along with its loop.

Whose it is says the name of the module that its class, or a class above it, comes from; so nothing is imported for
those who do not use it, and no framework is needed to know that it is not one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TypeVar

from ..errors import UsageError
from .host import Host

__all__ = ["attach"]

T = TypeVar("T")

_MODULES = {
    "keras": ".keras",
    "lightning": ".lightning",
    "pytorch_lightning": ".lightning",
    "transformers": ".transformers",
}
"""The module that knows a framework, by the framework's package."""


def attach(run: Host, thing: T) -> T:
    """Let the run go along with the loop that this object owns, and give the object back."""
    kind = type(thing)
    packages = [above.__module__.partition(".")[0] for above in kind.__mro__]
    package = next((name for name in packages if name in _MODULES), None)
    if package is None:
        raise UsageError(
            f"a {kind.__module__}.{kind.__qualname__} is nothing whose training a run could follow",
            hint=f"hand over a model or a trainer of {', '.join(sorted(_MODULES))}; in a loop of your own use "
            "run.epochs(...), run.batches(...) and run.track(...)",
        )
    try:
        module = import_module(_MODULES[package], __name__)
    except (ImportError, RuntimeError, OSError) as error:
        raise UsageError(
            f"{package} cannot be used here: {error}", hint=f"repair its installation: pip install -U {package}"
        ) from error
    module.attach(run, thing)
    return thing
