"""Stored values as plain JSON that a person can read: no decoding, no torch, and no trust in what is read.

Tensors and whatever else has no plain form are named, not shown. Floats that JSON lacks become "nan", "inf", "-inf".
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

__all__ = ["number", "piece_names", "plain"]

_DEEPEST = 20
_LONGEST_INTEGER = 1024
_NUMPY = {"b1": "?", "f2": "e", "f4": "f", "f8": "d"}
_NUMPY |= {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


def number(value: float) -> str:
    """A metric in four digits."""
    return f"{value:.4g}"


def plain(node: Any, depth: int = 0) -> Any:
    """The value that a node of a state tree stands for."""
    if depth > _DEEPEST:
        return "…"
    if isinstance(node, float) and not math.isfinite(node):
        return str(node)
    if isinstance(node, list | tuple):
        return [plain(item, depth + 1) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "$" not in node:
        return {str(key): plain(item, depth + 1) for key, item in node.items()}
    kind = node["$"]
    try:
        return _KINDS[kind](node, depth + 1)
    except (LookupError, TypeError, ValueError, struct.error):
        return f"<{kind!s:.40}>"


def piece_names(tree: Any) -> Iterator[tuple[int, str]]:
    """The dotted names that lead to each stored piece in a state tree; views of one piece share it."""
    return _piece_names(tree, "", {}, 0)


def _piece_names(node: Any, name: str, known: dict[int, int], depth: int) -> Iterator[tuple[int, str]]:
    match node:
        case {"$": "ref", "to": int(number)} if number in known:
            yield known[number], name
        case {"$": str(), "piece": int(piece)}:
            if isinstance(number := node.get("id"), int):
                known[number] = piece
            yield piece, name
        case dict() | list() if depth <= _DEEPEST:
            for key, item in _entries(node):
                yield from _piece_names(item, f"{name}.{key}" if name else key, known, depth + 1)


def _entries(node: Any) -> Iterable[tuple[str, Any]]:
    match node:
        case list():
            return ((str(index), item) for index, item in enumerate(node))
        case {"$": "dict" | "odict" | "defaultdict", "items": list(items)}:
            return ((str(plain(item[0])), item[1]) for item in items if isinstance(item, list) and len(item) == 2)
        case {"$": _, "items": list(items)}:
            return _entries(items)
        case {"$": _}:
            return ()
    return ((str(key), item) for key, item in node.items())


def _items(node: Mapping[str, Any], depth: int) -> Any:
    return [plain(item, depth) for item in node["items"]]


def _pairs(node: Mapping[str, Any], depth: int) -> Any:
    return {str(plain(key, depth)): plain(item, depth) for key, item in node["items"]}


def _bits(node: Mapping[str, Any], depth: int) -> Any:
    return plain(struct.unpack(">d", bytes.fromhex(node["bits"]))[0], depth)


def _text(node: Mapping[str, Any], depth: int) -> Any:  # noqa: ARG001 - the shape of a reader
    return base64.b64decode(node["base64"]).decode("utf-8", "backslashreplace")


def _complex(node: Mapping[str, Any], depth: int) -> Any:
    return f"{plain(node['real'], depth)}, {plain(node['imag'], depth)} i"


def _scalar(node: Mapping[str, Any], depth: int) -> Any:
    raw, dtype = bytes.fromhex(node["hex"]), node["dtype"]
    if dtype == "U":
        return raw.decode("utf-8", "backslashreplace")
    order = ">" if dtype[0] == ">" else "<"
    return plain(struct.unpack(order + _NUMPY[dtype[1:]], raw)[0], depth)


def _integer(node: Mapping[str, Any], depth: int) -> Any:  # noqa: ARG001 - the shape of a reader
    value = int(node["hex"], 16)
    return value if value.bit_length() <= _LONGEST_INTEGER else f"<int of {value.bit_length()} bits>"


def _block(node: Mapping[str, Any], depth: int) -> Any:
    return f"<{node['$']} {plain(node['dtype'], depth)} {plain(node['shape'], depth)}>"


_KINDS: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
    "array": _block,
    "complex": _complex,
    "defaultdict": _pairs,
    "deque": _items,
    "device": lambda node, _: str(node["name"]),
    "dict": _pairs,
    "dtype": lambda node, _: str(node["name"]),
    "enum": lambda node, depth: f"{node['type']}({plain(node['value'], depth)})",
    "float": _bits,
    "frozenset": _items,
    "int": _integer,
    "list": _items,
    "odict": _pairs,
    "path": lambda node, depth: plain(node["value"], depth),
    "scalar": _scalar,
    "set": _items,
    "size": _items,
    "str": _text,
    "tensor": _block,
    "tuple": _items,
}
