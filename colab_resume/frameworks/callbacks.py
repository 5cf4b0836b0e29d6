"""What a trainer's callbacks keep in themselves: patience that was used up, a best value, a counter of the user's own.

Those that can say what they need are asked, in the framework's own way. Of the user's others the plain values are kept
that have changed since the training began, so that what a constructor was told is never overridden. Those that the
framework brings and that say nothing, such as progress bars and loggers, begin anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from ..training.objects.plain import copied, is_plain, same

__all__ = ["CallbackStates", "by_kind"]

_OURS = __name__.partition(".")[0]


class CallbackStates:
    """Those of one trainer, known by their class and by their order among others of that class.

    `callbacks` gives them; `library` is the package whose own ones begin anew. `ask` returns what one of them says
    itself: {"told": ...} for its `load_state_dict`, {"values": ...} for its attributes, or None if it says nothing.
    """

    def __init__(
        self,
        callbacks: Callable[[], Iterable[Any]],
        *,
        library: str,
        ask: Callable[[Any], dict[str, Any] | None],
        leave_out: Callable[[Any], Collection[str]] = lambda _: (),
    ) -> None:
        self._all = callbacks
        self._packages = (library, _OURS)
        self._ask = ask
        self._leave_out = leave_out
        self._at_first: dict[str, dict[str, Any]] = {}
        self.meet()

    def meet(self) -> None:
        """Remember how callbacks that were not there before look before they are trained with."""
        for key, callback in by_kind(self._all()):
            self._at_first.setdefault(key, copied(self._values(callback)))

    def state(self) -> dict[str, Any]:
        """By callback what it needs to go on."""
        return {key: self._state_of(key, callback) for key, callback in by_kind(self._all())}

    def load(self, saved: dict[str, Any]) -> None:
        """Give it back to those that are still there."""
        for key, callback in by_kind(self._all()):
            state = saved.get(key)
            if state and "told" in state:
                callback.load_state_dict(copy.deepcopy(state["told"]))
            elif state:
                # What was not saved was as at first; a training that was interrupted in this process has changed it.
                vars(callback).update(copied({**self._at_first.get(key, {}), **state["values"]}))

    def _state_of(self, key: str, callback: Any) -> dict[str, Any]:
        if (said := self._ask(callback)) is not None:
            return said
        first = self._at_first.get(key, {})
        values = self._values(callback)
        return {"values": {name: value for name, value in values.items() if not _is_as(first, name, value)}}

    def _values(self, callback: Any) -> dict[str, Any]:
        if type(callback).__module__.partition(".")[0] in self._packages:
            return {}
        left_out = self._leave_out(callback)
        values = getattr(callback, "__dict__", {}).items()
        return {name: value for name, value in values if name not in left_out and is_plain(value)}


def by_kind(callbacks: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each with a name that is the same in the next process."""
    met: dict[str, int] = {}
    for callback in callbacks:
        kind = type(callback)
        name = f"{kind.__module__}.{kind.__qualname__}"
        met[name] = met.get(name, 0) + 1
        yield f"{name} {met[name]}", callback


def _is_as(first: dict[str, Any], name: str, value: Any) -> bool:
    return name in first and same(first[name], value)
