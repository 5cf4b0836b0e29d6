"""What callbacks keep in themselves: patience that was used up, a best value so far, a counter of the user's own.

Those that can say what they need (`ExportableState`, or `state_dict`) are asked. Of the user's others the plain values
are kept that have changed since the training began, so that what a constructor was told is never overridden. Those that
the library brings and that say nothing, such as progress bars and loggers, begin anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...training.objects.plain import copied, is_plain, same

__all__ = ["CallbackStates"]


class CallbackStates:
    """Those of one trainer, known by their class and by their order among others of that class."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer
        self._at_first: dict[str, dict[str, Any]] = {}
        self.meet()

    def meet(self) -> None:
        """Remember how callbacks that were not there before look before they are trained with."""
        for key, callback in self._callbacks():
            self._at_first.setdefault(key, copied(_values(callback)))

    def state(self) -> dict[str, Any]:
        """By callback what it needs to go on."""
        return {key: self._state_of(key, callback) for key, callback in self._callbacks()}

    def load(self, saved: dict[str, Any]) -> None:
        """Give it back to those that are still there."""
        for key, callback in self._callbacks():
            state = saved.get(key)
            if state and "told" in state:
                callback.load_state_dict(state["told"])
            elif state:
                # What was not saved was as at first; a training that was interrupted in this process has changed it.
                vars(callback).update(copied({**self._at_first.get(key, {}), **state["values"]}))

    def exporting(self) -> list[Any]:
        """Those whose state the Trainer writes into checkpoints of its own, for which it must know them."""
        trainer = self._trainer
        return [thing for thing in (*trainer.callback_handler.callbacks, trainer.control) if _exports(thing)]

    def _state_of(self, key: str, callback: Any) -> dict[str, Any]:
        if _has_state(callback):
            return {"told": callback.state_dict()}
        if _exports(callback):
            return {"values": callback.state().get("attributes", {})}
        first = self._at_first.get(key, {})
        values = _values(callback)
        return {"values": {name: value for name, value in values.items() if not _is_as(first, name, value)}}

    def _callbacks(self) -> Iterator[tuple[str, Any]]:
        met: dict[str, int] = {}
        for callback in self._trainer.callback_handler.callbacks:
            kind = type(callback)
            name = f"{kind.__module__}.{kind.__qualname__}"
            met[name] = met.get(name, 0) + 1
            yield f"{name} {met[name]}", callback


def _values(callback: Any) -> dict[str, Any]:
    if type(callback).__module__.partition(".")[0] in ("transformers", __name__.partition(".")[0]):
        return {}
    return {name: value for name, value in getattr(callback, "__dict__", {}).items() if is_plain(value)}


def _is_as(first: dict[str, Any], name: str, value: Any) -> bool:
    return name in first and same(first[name], value)


def _has_state(callback: Any) -> bool:
    return all(callable(getattr(callback, name, None)) for name in ("state_dict", "load_state_dict"))


def _exports(callback: Any) -> bool:
    return any(kind.__name__ == "ExportableState" for kind in type(callback).__mro__)
