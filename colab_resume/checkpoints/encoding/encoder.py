"""From a state to its tree and its pieces. The state is only read, and nothing that it holds is copied but bytes."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import torch

from ...errors import EncodingError
from ..collector import at_rest
from ..strict_json import JSON
from .arrays import write_numpy_scalar
from .enums import enum_name
from .memory import Memory
from .nodes import FACTORIES, MAX_DEPTH, Node, Place, shown
from .pieces import Immutable, Piece
from .scalars import WRITERS, is_clean, write_base64

__all__ = ["Encoded", "encode"]

_LONG = 1024
_WITHOUT_IDENTITY = (tuple, frozenset, bytes)
_PLAIN_KINDS = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex, deque, torch.Tensor)

_Write: TypeAlias = Callable[["_Walk", Any, Place, Node], JSON]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A state as a JSON tree, and the tensors that the tree counts on, by their number."""

    tree: JSON
    pieces: tuple[Piece, ...]


@at_rest()
def encode(state: Mapping[str, object]) -> Encoded:
    """The state as JSON and pieces; `EncodingError` names the first value that cannot be stored."""
    root = state if type(state) is dict else dict(state)
    for key in root:
        if type(key) is not str:
            raise Place().refused(f"has the key {shown(key)}, which is no text", hint="name its parts with text")
    walk = _Walk(frozenset())
    tree = walk.value(root, Place())
    if walk.again:
        # Only now it is known which objects need a number.
        walk = _Walk(frozenset(walk.again))
        tree = walk.value(root, Place())
    return Encoded(tree, walk.memory.pieces())


class _Walk:
    """One walk over the state; `shared` are the ids of the objects that a walk before it met `again`."""

    def __init__(self, shared: frozenset[int]) -> None:
        self.again: set[int] = set()
        self.memory = Memory()
        self._shared = shared
        self._numbers: dict[int, int] = {}
        self._open: set[int] = set()

    def value(self, value: Any, place: Place) -> JSON:
        plain = WRITERS.get(type(value))
        if plain is not None:
            return plain(value)
        if place.depth >= MAX_DEPTH:
            raise place.refused(f"is nested more than {MAX_DEPTH} deep", hint="store it flatter")
        if isinstance(value, Enum):
            name = enum_name(value, place)
            return {"$": "enum", "type": name, "value": self.inside(value._value_, place, "value")}
        if isinstance(value, np.generic):
            return write_numpy_scalar(value, place)
        write = _KINDS.get(type(value))
        if write is None:
            raise _unknown(value, place)
        return self._once(value, place, write)

    def _once(self, value: Any, place: Place, write: _Write) -> JSON:
        me = id(value)
        if me in self._open:
            raise place.refused("contains itself", hint="store it without the reference back to itself")
        number: Node = {}
        if type(value) not in _WITHOUT_IDENTITY:
            if me in self._numbers:
                self.again.add(me)
                return {"$": "ref", "to": self._numbers[me]}
            self._numbers[me] = len(self._numbers)
            number = {"id": self._numbers[me]} if me in self._shared else {}
        self._open.add(me)
        node = write(self, value, place, number)
        self._open.remove(me)
        return node

    def inside(self, value: Any, place: Place, step: object) -> JSON:
        plain = WRITERS.get(type(value))
        return plain(value) if plain is not None else self.value(value, place.inside(step))

    def items(self, values: Iterable[Any], place: Place) -> list[JSON]:
        return [self.inside(value, place, index) for index, value in enumerate(values)]

    def pairs(self, value: dict[Any, Any], place: Place) -> list[JSON]:
        return [[self.inside(key, place, key), self.inside(item, place, key)] for key, item in value.items()]


def _dict(walk: _Walk, value: dict[Any, Any], place: Place, number: Node) -> JSON:
    if number or not all(type(key) is str and is_clean(key) for key in value) or "$" in value:
        return {"$": "dict", **number, "items": walk.pairs(value, place)}
    return {key: walk.inside(item, place, key) for key, item in value.items()}


def _ordered(walk: _Walk, value: OrderedDict[Any, Any], place: Place, number: Node) -> JSON:
    node: Node = {"$": "odict", **number, "items": walk.pairs(value, place)}
    attributes = vars(value)
    # nn.Module.state_dict() hangs the versions of its modules on the dict; loading an old state needs them.
    if "_metadata" in attributes:
        node["metadata"] = walk.inside(attributes["_metadata"], place, "_metadata")
    if others := attributes.keys() - {"_metadata"}:
        names = ", ".join(sorted(others))
        raise place.refused(f"is an OrderedDict with attributes ({names:.80})", hint="store them as items")
    return node


def _counter(walk: _Walk, value: Counter[Any], place: Place, number: Node) -> JSON:
    return {"$": "counter", **number, "items": walk.pairs(value, place)}


def _default(walk: _Walk, value: defaultdict[Any, Any], place: Place, number: Node) -> JSON:
    for name, factory in FACTORIES.items():
        if value.default_factory is factory:
            return {"$": "defaultdict", **number, "factory": name, "items": walk.pairs(value, place)}
    raise place.refused(
        "is a defaultdict with a factory that cannot be stored",
        hint=f"use one of these: {', '.join(str(name) for name in FACTORIES)}",
    )


def _list(walk: _Walk, value: list[Any], place: Place, number: Node) -> JSON:
    items = walk.items(value, place)
    return {"$": "list", **number, "items": items} if number else items


def _tuple(walk: _Walk, value: tuple[Any, ...], place: Place, number: Node) -> JSON:
    return {"$": "tuple", **number, "items": walk.items(value, place)}


def _deque(walk: _Walk, value: deque[Any], place: Place, number: Node) -> JSON:
    return {"$": "deque", **number, "maxlen": value.maxlen, "items": walk.items(value, place)}


def _set(walk: _Walk, value: set[Any] | frozenset[Any], place: Place, number: Node) -> JSON:
    before = len(walk.memory)
    items = walk.items(value, place)
    # Texts have another order in every process; sorted, the same set is the same JSON. But where something was defined
    # that others refer to, the order must stay.
    if len(walk.memory) == before:
        items.sort(key=json.dumps)
    return {"$": type(value).__name__, **number, "items": items}


def _content(walk: _Walk, value: bytes | bytearray, place: Place, number: Node) -> JSON:
    kind = type(value).__name__
    if len(value) < _LONG:
        return {"$": kind, **number, "base64": write_base64(value)}
    return walk.memory.content({"$": kind, **number}, value, place)


def _tensor(walk: _Walk, value: torch.Tensor, place: Place, number: Node) -> JSON:
    return walk.memory.tensor({"$": "tensor", **number}, value, place)


def _array(walk: _Walk, value: np.ndarray[Any, Any], place: Place, number: Node) -> JSON:
    return walk.memory.array({"$": "array", **number}, value, place)


def _immutable(walk: _Walk, value: Immutable, place: Place, number: Node) -> JSON:
    return walk.memory.immutable(number, value, place)


_KINDS: dict[type, _Write] = {
    dict: _dict,
    OrderedDict: _ordered,
    Counter: _counter,
    defaultdict: _default,
    list: _list,
    tuple: _tuple,
    deque: _deque,
    set: _set,
    frozenset: _set,
    bytes: _content,
    bytearray: _content,
    torch.Tensor: _tensor,
    torch.nn.Parameter: _tensor,
    np.ndarray: _array,
    Immutable: _immutable,
}


def _unknown(value: object, place: Place) -> EncodingError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    why = f"is a {name}, which cannot be stored"
    for known in _PLAIN_KINDS:
        if isinstance(value, known):
            return place.refused(why, hint=f"turn it into a plain {known.__name__} first")
    return place.refused(why)
