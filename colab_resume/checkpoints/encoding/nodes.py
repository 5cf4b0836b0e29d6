"""Nodes of the state tree: their JSON type, where in the state they belong, and reading them with no trust at all.

A node is a JSON object with the key "$" naming its kind. What is read may come from anybody who can write to a
shared folder, so every field is taken out by its exact type and range, and anything else is `DamagedCheckpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from ...errors import DamagedCheckpoint, EncodingError
from ..damage import damaged
from ..strict_json import JSON

__all__ = ["FACTORIES", "MAX_DEPTH", "Node", "Place", "field", "flag", "malformed", "shown", "whole", "wholes"]

Node: TypeAlias = "dict[str, JSON]"
T = TypeVar("T")

MAX_DEPTH = 100
FACTORIES: dict[str | None, Callable[[], Any] | None] = {
    None: None,
    "bool": bool,
    "dict": dict,
    "float": float,
    "int": int,
    "list": list,
    "set": set,
    "str": str,
    "tuple": tuple,
}
"""What a defaultdict may call."""

_MAX_DIMENSIONS = 64
_PLAIN_VALUES = (
    "store plain values instead (numbers, text, lists, dicts, tensors, arrays): keep them in `run.state(...)`, "
    "or give the object `state_dict()` and `load_state_dict()`"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the state a value lies: the step that leads to it from its parent. The default is the state itself."""

    step: object = None
    parent: Place | None = None
    depth: int = 0

    def inside(self, step: object) -> Place:
        return Place(step, self, self.depth + 1)

    def __str__(self) -> str:
        """As in Python, the first key bare: `opt['state'][0]['lock']`."""
        if self.parent is None:
            return "the state"
        first, *rest = self._steps()
        return str(first) + "".join(f"[{shown(step)}]" for step in rest)

    def dotted(self) -> str:
        """The same as a readable name, always valid UTF-8 and not too long for a file header: `opt.state.0.lock`."""
        name = ".".join(step if type(step) is str else shown(step) for step in self._steps())
        return name[:200].encode("utf-8", "replace").decode("utf-8")

    def refused(self, why: str, *, hint: str = _PLAIN_VALUES) -> EncodingError:
        return EncodingError(f"{self} {why}", hint=hint)

    def _steps(self) -> list[object]:
        steps: list[object] = []
        place = self
        while place.parent is not None:
            steps.append(place.step)
            place = place.parent
        return steps[::-1]


def shown(step: object) -> str:
    """A step for a human; only short plain ones, since `repr` of the rest may be endless or somebody's own code."""
    if type(step) is str:
        return repr(step if len(step) <= 80 else step[:77] + "...")
    if step is None or type(step) in (bool, float) or (type(step) is int and step.bit_length() <= 64):
        return repr(step)
    return f"<{type(step).__name__}>"


def malformed(reason: str) -> DamagedCheckpoint:
    return damaged("the state tree", reason)


def field(node: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The field of exactly this type (so that `True` is no integer)."""
    value = node.get(name)
    if type(value) is not kind:
        raise malformed(f"{name!r} of a {_kind(node)} node is not {kind.__name__}")
    return value


def flag(node: Mapping[str, Any], name: str) -> bool:
    """A field that is there only if it is true."""
    return name in node and field(node, name, bool)


def whole(value: object, *, low: int = 0, high: int = 2**63 - 1) -> int:
    if type(value) is not int or not low <= value <= high:
        raise malformed(f"{shown(value)} where an integer from {low} to {high} belongs")
    return value


def wholes(values: Iterable[object], *, low: int = 0) -> tuple[int, ...]:
    """The numbers of a shape or of strides."""
    found = tuple(whole(value, low=low) for value in values)
    if len(found) > _MAX_DIMENSIONS:
        raise malformed(f"{len(found)} dimensions")
    return found


def _kind(node: Mapping[str, Any]) -> str:
    kind = node.get("$")
    return kind[:40] if type(kind) is str else "nameless"
