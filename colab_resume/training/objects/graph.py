"""Objects that hold objects, as plain values: each once, by its number, whoever holds it and however often.

What stands for something that is no plain value is a dict with the key `OBJECT` (a number), `GENERATOR` (a place) or
`TUPLE` (the class of a named tuple). It leads to nothing but attributes: no code of a class is run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from ...errors import EncodingError
from ..data.generators import Source, source_of
from .classes import bound_to, is_named_tuple, is_node, is_steady, kind_of, resolve
from .columns import as_columns
from .plain import is_plain

__all__ = ["GENERATOR", "ITEMS", "Node", "OBJECT", "TUPLE", "Walk", "attributes_of", "bits_of", "marks"]

OBJECT, GENERATOR, TUPLE, ITEMS = (f"colab_resume {what}" for what in ("object", "generator", "tuple", "items"))

_LEFT_OUT = object()


@dataclass
class Node:
    """One object. `is_fixed`: reached by attributes alone, so that the same place means the same in another process.

    `values` are its attributes, as plain values; those in `marked` have something else in them.
    """

    thing: Any
    path: str
    is_fixed: bool
    values: dict[str, Any] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)

    @property
    def kind(self) -> str:
        """The name of its class."""
        return kind_of(type(self.thing))


class Walk:
    """From `owner` over all that it holds, but for what is `tracked` and for views of the memory of `parameters`.

    `EncodingError` names what cannot be kept, if the walk is `strict`; else that is passed over.
    """

    def __init__(
        self, name: str, owner: Any, tracked: Iterable[Any], parameters: Iterable[torch.Tensor], *, strict: bool = True
    ) -> None:
        self._strict = strict
        self.generators: dict[str, Source] = {}
        """By their places."""
        self.taken = {one.untyped_storage().data_ptr() for one in parameters if one.layout is torch.strided} - {0}
        self._tracked = _identities(tracked)
        self._numbers = {id(owner): 0}
        self._places: dict[int, str] = {}
        self.nodes = [Node(owner, name, is_fixed=True)]
        self._owners: dict[int, tuple[Any, str]] = {}
        for node in self.nodes:  # it grows while it is gone through
            self._fill(node)
        for one, path in self._owners.values():
            if strict and id(one) not in self._numbers:
                raise _refused(one, f"{path}.__self__")

    def _fill(self, node: Node) -> None:
        for name, value in attributes_of(node.thing).items():
            told = self._told(value, f"{node.path}.{name}", is_fixed=node.is_fixed)
            if told is not _LEFT_OUT:
                node.values[name] = told
            if told is not value:
                node.marked.add(name)

    def _told(self, value: Any, path: str, *, is_fixed: bool) -> Any:
        try:
            return self._known(value, path, is_fixed=is_fixed)
        except EncodingError:
            if self._strict:
                raise
            return _LEFT_OUT

    def _known(self, value: Any, path: str, *, is_fixed: bool) -> Any:
        if (columns := as_columns(value, self.taken)) is not None:
            return {
                **columns,
                TUPLE: _class_of(value[0], path) if is_named_tuple(value[0]) else kind_of(type(value[0])),
            }
        if is_plain(value, self.taken):
            return value
        if id(value) in self._tracked or is_steady(value) or self._is_a_view(value):
            return _LEFT_OUT
        if (owner := bound_to(value)) is not None:
            return self._method(owner, path)
        if (source := source_of(value)) is not None:
            return self._generator(value, source, path)
        if type(value) in (list, tuple, deque, dict):
            return self._container(value, path)
        if is_named_tuple(value):
            items = self._container(list(value), path)
            return items if items is _LEFT_OUT else {TUPLE: _class_of(value, path), ITEMS: items}
        if is_node(value):
            return self._object(value, path, is_fixed=is_fixed)
        raise _refused(value, path)

    def _container(self, value: Any, path: str) -> Any:
        keyed = value.items() if isinstance(value, dict) else enumerate(value)
        told = [(key, self._told(item, f"{path}[{key!r}]", is_fixed=False)) for key, item in keyed]
        left_out = [key for key, item in told if item is _LEFT_OUT]
        if left_out and len(left_out) == len(told):
            return _LEFT_OUT
        if left_out or not is_plain(tuple(key for key, _ in told)):
            raise _refused(value, path, "holds things that change beside others that do not")
        if isinstance(value, dict):
            return dict(told)
        items = (item for _, item in told)
        return deque(items, value.maxlen) if isinstance(value, deque) else type(value)(items)

    def _method(self, owner: Any, path: str) -> Any:
        """It is there in each process; what it is a method of may change: `self.draw = rng.random`."""
        if (source := source_of(owner)) is not None:
            self._generator(owner, source, path)
        elif not (id(owner) in self._tracked or is_steady(owner) or is_plain(owner)):
            self._owners[id(owner)] = owner, path
        return _LEFT_OUT

    def _generator(self, value: Any, source: Source, path: str) -> Any:
        if id(value) not in self._places:
            self._places[id(value)] = path
            self.generators[path] = source
        return {GENERATOR: self._places[id(value)], ITEMS: bits_of(value)}

    def _object(self, value: Any, path: str, *, is_fixed: bool) -> Any:
        if id(value) not in self._numbers:
            if not is_fixed:
                _class_of(value, path)
            self._numbers[id(value)] = len(self.nodes)
            self.nodes.append(Node(value, path, is_fixed))
        return {OBJECT: self._numbers[id(value)]}

    def _is_a_view(self, value: Any) -> bool:
        """Of what is stored with the parameters: `self.params = list(model.parameters())`."""
        return isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() in self.taken


def attributes_of(thing: Any) -> dict[str, Any]:
    """Those in slots as well."""
    names = [name for kind in type(thing).__mro__ for name in _slots(kind)]
    found = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {**found, **getattr(thing, "__dict__", {})}


def marks(saved: Any) -> Iterator[dict[str, Any]]:
    """All that stands for something in there."""
    if isinstance(saved, dict) and not saved.keys().isdisjoint((OBJECT, GENERATOR, TUPLE)):
        yield saved
    for one in saved.values() if isinstance(saved, dict) else saved if isinstance(saved, list | tuple | deque) else ():
        yield from marks(one)


def _slots(kind: type) -> Iterator[str]:
    slots = vars(kind).get("__slots__", ())
    return (name for name in ((slots,) if isinstance(slots, str) else slots) if not name.startswith("__"))


def _identities(tracked: Iterable[Any]) -> set[int]:
    """Of these, and of the modules that are parts of them."""
    found = set()
    for thing in tracked:
        found.add(id(thing))
        if isinstance(thing, torch.nn.Module):
            found.update(map(id, (*thing.modules(), *thing.parameters(), *thing.buffers())))
    return found


def _class_of(value: Any, path: str) -> str:
    """Its name, by which another process finds the class to make it anew."""
    name = kind_of(type(value))
    if resolve(name, row=is_named_tuple(value)) is not type(value):
        raise _refused(value, path, "is of a class that could not be found again by its name")
    return name


def bits_of(generator: Any) -> str:
    """Of what kind it is; those of numpy differ in what they draw from."""
    return type(getattr(generator, "bit_generator", generator)).__name__


def _refused(value: Any, path: str, why: str = "") -> EncodingError:
    kind = kind_of(type(value))
    return EncodingError(
        f"{path} {why or f'is a {kind}, of which nobody knows what it would need'}",
        hint="if it has a state of its own, track it as well, before this or with it; else give the class state_dict "
        "and load_state_dict, which say what it needs",
    )
