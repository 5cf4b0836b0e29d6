"""How callbacks of Lightning are asked what they need; apart from `ModelCheckpoint`, whose paths are of this VM."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..callbacks import CallbackStates

__all__ = ["checkpoints_of", "states_of"]


def states_of(trainer: Any) -> CallbackStates:
    """Those of this trainer."""
    library = type(trainer).__mro__[-2].__module__.partition(".")[0]
    return CallbackStates(lambda: trainer.callbacks, library=library, ask=_ask, leave_out=_of_checkpoints)


def checkpoints_of(trainer: Any) -> list[Any]:
    """Those that write files and know the best of them."""
    return [callback for callback in trainer.callbacks if _above(callback, "ModelCheckpoint")]


def _ask(callback: Any) -> dict[str, Any] | None:
    if _above(callback, "ModelCheckpoint"):
        return None
    above = _above(callback, "Callback")
    says = above is not None and type(callback).state_dict is not above.state_dict
    return {"told": callback.state_dict()} if says else None


def _of_checkpoints(callback: Any) -> Collection[str]:
    kind = _above(callback, "ModelCheckpoint")
    return () if kind is None else vars(kind())


def _above(callback: Any, name: str) -> Any:
    return next((kind for kind in type(callback).__mro__ if kind.__name__ == name), None)
