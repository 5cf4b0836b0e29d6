"""From a tree and its pieces back to the state. The tree may be hostile: whatever is wrong is `DamagedCheckpoint`."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch

from ...errors import StateMismatch
from ..collector import at_rest
from .arrays import read_numpy_scalar
from .blocks import Blocks, Spec
from .enums import find_enum, find_member
from .nodes import FACTORIES, MAX_DEPTH, Node, field, malformed, whole
from .scalars import READERS, read_base64

__all__ = ["decode"]

_Read: TypeAlias = Callable[["_Walk", Node, int], object]


@at_rest()
def decode(
    tree: object,
    specs: Sequence[Spec],
    read: Callable[[int], torch.Tensor],
    *,
    enums: Callable[[str, object], object] | None = None,
    devices: bool = True,
) -> Any:
    """The state. `specs` are dtype and shape of the stored pieces, `read` gives one of them.

    What `read` gives is given away: it must be memory that nobody else has, and becomes that of the state.
    `enums` makes a member from a class name and a value where this session has no such class; without it that is
    `StateMismatch`. Tensors go back to the GPU they were on if there is one, and with `devices=False` to none.
    """
    state = _Walk(Blocks(specs, read, devices=devices), enums).value(tree, 0)
    if type(state) is not dict:
        raise malformed("the state is no dict")
    return state


class _Walk:
    """One walk over the tree."""

    def __init__(self, blocks: Blocks, enums: Callable[[str, object], object] | None) -> None:
        self.blocks = blocks
        self.enums = enums
        self.known: dict[int, object] = {}

    def value(self, node: Any, depth: int) -> Any:
        kind = type(node)
        if node is None or kind in (bool, int, str):
            return node
        if kind is float and math.isfinite(node):
            return node
        if depth > MAX_DEPTH:
            raise malformed(f"it is nested more than {MAX_DEPTH} deep")
        if kind is list:
            return self.values(node, depth)
        if kind is not dict:
            raise malformed(f"a {kind.__name__}, which no JSON tree holds")
        return self._tagged(node, depth) if "$" in node else self._object(node, depth)

    def values(self, nodes: list[Any], depth: int) -> list[Any]:
        return [self.value(node, depth + 1) for node in nodes]

    def items(self, node: Node, depth: int) -> list[Any]:
        return self.values(field(node, "items", list), depth)

    def pairs(self, node: Node, depth: int) -> list[tuple[Any, Any]]:
        found = []
        for pair in field(node, "items", list):
            if type(pair) is not list or len(pair) != 2:
                raise malformed("an item of a dict that is no pair")
            found.append((self.value(pair[0], depth + 1), self.value(pair[1], depth + 1)))
        return found

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        if not all(type(key) is str for key in node):
            raise malformed("a key that is no text")
        return {key: self.value(item, depth + 1) for key, item in node.items()}

    def _tagged(self, node: Node, depth: int) -> object:
        kind = field(node, "$", str)
        if kind in READERS:
            return READERS[kind](node)
        read = _KINDS.get(kind)
        if read is None:
            raise malformed(f"a node of the unknown kind {kind!r:.40}")
        found = read(self, node, depth)
        if "id" in node:
            number = whole(node["id"])
            if number in self.known:
                raise malformed("two nodes with the same id")
            self.known[number] = found
        return found


def _ref(walk: _Walk, node: Node, _: int) -> object:
    number = whole(node.get("to"))
    if number not in walk.known:
        raise malformed("a reference to nothing")
    return walk.known[number]


def _fill(found: dict[Any, Any], pairs: list[tuple[Any, Any]]) -> Any:
    try:
        found.update(pairs)
    except TypeError as error:
        raise malformed("a dict with a key that cannot be one") from error
    if len(found) != len(pairs):
        raise malformed("a dict with the same key twice")
    return found


def _dict(walk: _Walk, node: Node, depth: int) -> object:
    return _fill({}, walk.pairs(node, depth))


def _ordered(walk: _Walk, node: Node, depth: int) -> object:
    found = _fill(OrderedDict(), walk.pairs(node, depth))
    if "metadata" in node:
        found._metadata = walk.value(node["metadata"], depth + 1)
    return found


def _counter(walk: _Walk, node: Node, depth: int) -> object:
    # Counter.update adds to what is there, and counts the elements of a list.
    return Counter(_fill({}, walk.pairs(node, depth)))


def _default(walk: _Walk, node: Node, depth: int) -> object:
    name = node.get("factory")
    if (name is not None and type(name) is not str) or name not in FACTORIES:
        raise malformed("a defaultdict with an unknown factory")
    return _fill(defaultdict(FACTORIES[name]), walk.pairs(node, depth))


def _deque(walk: _Walk, node: Node, depth: int) -> object:
    items = walk.items(node, depth)
    length = None if node.get("maxlen") is None else whole(node["maxlen"], low=len(items))
    return deque(items, length)


def _set(kind: type[set[Any]] | type[frozenset[Any]]) -> _Read:
    def read(walk: _Walk, node: Node, depth: int) -> object:
        items = walk.items(node, depth)
        try:
            found = kind(items)
        except TypeError as error:
            raise malformed("a set with an item that cannot be one") from error
        if len(found) != len(items):
            raise malformed("a set with the same item twice")
        return found

    return read


def _bytes(walk: _Walk, node: Node, _: int) -> object:
    return walk.blocks.content(node) if "piece" in node else read_base64(node)


def _bytearray(walk: _Walk, node: Node, _: int) -> object:
    return walk.blocks.own_content(node) if "piece" in node else bytearray(read_base64(node))


def _enum(walk: _Walk, node: Node, depth: int) -> object:
    name = field(node, "type", str)
    value = walk.value(node.get("value"), depth + 1)
    kind = find_enum(name)
    if kind is None and walk.enums is not None:
        return walk.enums(name, value)
    if kind is None:
        raise StateMismatch(f"the enum {name:.200} is not defined in this session", hint="import or define it first")
    member = find_member(kind, value)
    if member is None:
        raise StateMismatch(
            f"the enum {name:.200} has no member with the stored value {value!r:.80}",
            hint="give it the member that it had when the checkpoint was made",
        )
    return member


_KINDS: dict[str, _Read] = {
    "ref": _ref,
    "dict": _dict,
    "odict": _ordered,
    "counter": _counter,
    "defaultdict": _default,
    "list": lambda walk, node, depth: walk.items(node, depth),
    "tuple": lambda walk, node, depth: tuple(walk.items(node, depth)),
    "deque": _deque,
    "set": _set(set),
    "frozenset": _set(frozenset),
    "bytes": _bytes,
    "bytearray": _bytearray,
    "enum": _enum,
    "tensor": lambda walk, node, _: walk.blocks.tensor(node),
    "array": lambda walk, node, _: walk.blocks.array(node),
    "scalar": lambda _, node, __: read_numpy_scalar(node),
}
