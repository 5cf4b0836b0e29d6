"""The objects that make up the training's state, and the one moment at which a saved state is put into them.

Saved states are applied all or none: every object of a call is compared with its saved state first, and one readable
list of differences is raised before anything has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import torch

from ..errors import StateMismatch, UsageError
from .optimizers import OptimizerPart
from .parts import Part, Values, part_for, plain_name
from .snapshot import take

__all__ = ["RNG", "SavedParts", "Tracking", "VALUES"]

VALUES = "run.state"
RNG = "run.rng"
_POSTPONE_AT_MOST = 64


class SavedParts(Protocol):
    """The state a checkpoint holds, by the names it was tracked under."""

    def kinds(self) -> Mapping[str, str]: ...

    def part(self, name: str) -> Any: ...


class Tracking:
    """What is tracked, under which name."""

    def __init__(self) -> None:
        self.values = Values()
        self._things: dict[str, Any] = {VALUES: self.values}
        self._parts: dict[str, Part] = {VALUES: part_for(VALUES, self.values, self._names)}
        self._postponed = 0

    def replaced(self, objects: Mapping[str, Any]) -> list[str]:
        """Those of these names that have stood for another object until now."""
        return [name for name, thing in objects.items() if self._things.get(name, thing) is not thing]

    def add(self, objects: Mapping[str, Any]) -> None:
        """Track these objects from now on; one of a name that is already used takes its place."""
        parts = {}
        for name, thing in objects.items():
            if not name.isidentifier():
                raise UsageError(f"{name!r} cannot be a tracked name", hint="use a name as for a variable")
            if self._things.get(name) is not thing:
                parts[name] = part_for(name, thing, self._names)
        for name, part in parts.items():
            old = self._parts.get(name)
            if isinstance(old, OptimizerPart):
                old.release()
            self._parts[name], self._things[name] = part, objects[name]

    def states(self) -> Iterator[tuple[str, str, Any]]:
        """Name, kind and live state of each object, in the order in which they were tracked."""
        for name, part in self._parts.items():
            yield name, part.kind, part.state()

    def names(self) -> list[str]:
        """The names that are tracked."""
        return list(self._parts)

    def check(self, names: Iterable[str]) -> None:
        """Raise `EncodingError` now, and not at the first save, if the state of one of these cannot be stored."""
        for name in names:
            take(name, self._parts[name].state())

    def apply(self, saved: SavedParts, names: Iterable[str]) -> list[str]:
        """Put the saved state into the objects of these names; returns those for which something was saved."""
        kinds = saved.kinds()
        found = [name for name in names if name in kinds]
        states = {name: saved.part(name) for name in found}
        lines = [f"{name}: {line}" for name in found for line in self._differences(name, kinds[name], states[name])]
        if lines:
            raise StateMismatch(
                "the objects are not those of the checkpoint; nothing was applied:\n  " + "\n  ".join(lines),
                hint="build the same objects as before, or start a run with another name",
            )
        for part in (self._parts[name] for name in found):
            if isinstance(part, OptimizerPart):
                part.drop_gradients()
        for name in found:
            self._parts[name].load(states.pop(name))
        return found

    def is_whole(self) -> bool:
        """Whether this boundary is one at which to save: no gradients wait for an optimizer step.

        After 64 such boundaries in a row the answer is yes all the same, and the gradients are saved with the rest.
        """
        waiting = any(part.mid_accumulation for part in self._optimizers())
        self._postponed = self._postponed + 1 if waiting and self._postponed < _POSTPONE_AT_MOST else 0
        return self._postponed == 0

    def reach_boundary(self) -> None:
        """A step has ended, and nothing is captured yet."""
        for part in self._optimizers():
            part.reach_boundary()

    def leave_boundary(self) -> None:
        """The next step begins."""
        for part in self._optimizers():
            part.leave_boundary()

    def _optimizers(self) -> Iterator[OptimizerPart]:
        return (part for part in self._parts.values() if isinstance(part, OptimizerPart))

    def _differences(self, name: str, kind: str, state: Any) -> list[str]:
        part = self._parts[name]
        if part.kind != kind:
            return [f"a {kind} in the checkpoint, a {part.kind} now"]
        return part.differences(state)

    def _names(self) -> Mapping[int, str]:
        modules = [(name, thing) for name, thing in self._things.items() if isinstance(thing, torch.nn.Module)]
        return {id(p): f"{name}.{plain_name(key)}" for name, module in modules for key, p in module.named_parameters()}
