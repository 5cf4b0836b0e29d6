"""How callbacks of the `Trainer` are asked what they need: by `state_dict`, or as `ExportableState`.

A trainer of somebody's own, such as TRL's, keeps counters, sums and buffers in itself; it is asked as they are.
"""

from __future__ import annotations

import inspect
from itertools import chain
from typing import Any

from ..callbacks import CallbackStates

__all__ = ["exporting", "states_of"]


def states_of(trainer: Any) -> CallbackStates:
    """Those of this trainer, and what it has that transformers knows nothing of."""
    known = _known_to_transformers(type(trainer))
    return CallbackStates(
        lambda: [trainer, *trainer.callback_handler.callbacks],
        library="transformers",
        ask=_ask,
        leave_out=lambda thing: known if thing is trainer else (),
    )


def exporting(trainer: Any) -> list[Any]:
    """Those whose state the Trainer writes into checkpoints of its own, for which it must know them."""
    return [thing for thing in (*trainer.callback_handler.callbacks, trainer.control) if _exports(thing)]


def _ask(callback: Any) -> dict[str, Any] | None:
    if all(callable(getattr(callback, name, None)) for name in ("state_dict", "load_state_dict")):
        return {"told": callback.state_dict()}
    return {"values": callback.state().get("attributes", {})} if _exports(callback) else None


def _known_to_transformers(kind: type) -> set[str]:
    """The names that transformers' own code uses."""
    own = (vars(one).values() for one in kind.__mro__ if one.__module__.startswith("transformers."))
    functions = (inspect.unwrap(one) for one in chain.from_iterable(own) if inspect.isfunction(one))
    return {name for function in functions for name in function.__code__.co_names}


def _exports(callback: Any) -> bool:
    return any(kind.__name__ == "ExportableState" for kind in type(callback).__mro__)
