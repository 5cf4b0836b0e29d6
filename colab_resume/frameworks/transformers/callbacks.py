"""How callbacks of the `Trainer` are asked what they need: by `state_dict`, or as `ExportableState`."""

from __future__ import annotations

from typing import Any

from ..callbacks import CallbackStates

__all__ = ["exporting", "states_of"]


def states_of(trainer: Any) -> CallbackStates:
    """Those of this trainer."""
    return CallbackStates(lambda: trainer.callback_handler.callbacks, library="transformers", ask=_ask)


def exporting(trainer: Any) -> list[Any]:
    """Those whose state the Trainer writes into checkpoints of its own, for which it must know them."""
    return [thing for thing in (*trainer.callback_handler.callbacks, trainer.control) if _exports(thing)]


def _ask(callback: Any) -> dict[str, Any] | None:
    if all(callable(getattr(callback, name, None)) for name in ("state_dict", "load_state_dict")):
        return {"told": callback.state_dict()}
    return {"values": callback.state().get("attributes", {})} if _exports(callback) else None


def _exports(callback: Any) -> bool:
    return any(kind.__name__ == "ExportableState" for kind in type(callback).__mro__)
