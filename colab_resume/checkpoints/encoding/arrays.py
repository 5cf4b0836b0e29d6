"""numpy's element types and scalars as JSON and back; nothing that holds Python objects, in either direction."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ..strict_json import JSON
from .nodes import MAX_DEPTH, Node, Place, field, flag, malformed, whole, wholes

__all__ = ["read_array_dtype", "read_numpy_scalar", "write_array_dtype", "write_numpy_scalar"]

_PLAIN = re.compile(r"[<>|][biufcmMSUV]\d{0,10}(\[\d{0,10}[A-Za-z]{1,2}\])?", re.ASCII)
_MAX_ITEM = 2**31 - 1


def write_array_dtype(dtype: np.dtype[Any], place: Place) -> JSON:
    described = None if dtype.hasobject or dtype.type is np.record else _describe(dtype)
    if described is None or read_array_dtype(described) != dtype:
        raise place.refused(
            f"has the numpy dtype {str(dtype)[:80]}, which cannot be stored",
            hint="store it as a list, or as an array of numbers, text or bytes",
        )
    return described


def _describe(dtype: np.dtype[Any]) -> JSON:
    """None for what has no description."""
    if dtype.subdtype is not None:
        element, shape = dtype.subdtype
        inner = _describe(element)
        return inner and {"element": inner, "shape": list(shape)}
    if dtype.fields is None or dtype.names is None:
        return dtype.str if _PLAIN.fullmatch(dtype.str) else None
    fields: list[JSON] = []
    for name in dtype.names:
        inner, offset = _describe(dtype.fields[name][0]), dtype.fields[name][1]
        if inner is None:
            return None
        fields.append([name, inner, offset])
    aligned: Node = {"aligned": True} if dtype.isalignedstruct else {}
    return {"fields": fields, "itemsize": dtype.itemsize, **aligned}


def read_array_dtype(described: object, depth: int = 0) -> np.dtype[Any]:
    if depth > MAX_DEPTH:
        raise malformed("a numpy dtype nested too deep")
    try:
        if type(described) is str and _PLAIN.fullmatch(described):
            return np.dtype(described)
        if type(described) is dict and "fields" in described:
            return _read_fields(described, depth)
        if type(described) is dict:
            element = read_array_dtype(described.get("element"), depth + 1)
            return np.dtype((element, wholes(field(described, "shape", list))))
    except (TypeError, ValueError, OverflowError) as error:
        raise malformed("a numpy dtype that numpy refuses") from error
    raise malformed("a numpy dtype that is none")


def _read_fields(described: dict[str, Any], depth: int) -> np.dtype[Any]:
    names, formats, offsets = [], [], []
    for entry in field(described, "fields", list):
        if type(entry) is not list or len(entry) != 3 or type(entry[0]) is not str:
            raise malformed("a field of a numpy dtype that is none")
        names.append(entry[0])
        formats.append(read_array_dtype(entry[1], depth + 1))
        offsets.append(whole(entry[2], high=_MAX_ITEM))
    itemsize = whole(described.get("itemsize"), high=_MAX_ITEM)
    fields: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": itemsize}
    dtype: np.dtype[Any] = np.dtype(fields, align=flag(described, "aligned"))
    return dtype


def write_numpy_scalar(value: np.generic, place: Place) -> JSON:
    if type(value) is np.str_:
        return {"$": "scalar", "dtype": "U", "hex": value.encode("utf-8", "surrogatepass").hex()}
    if type(value) is np.bytes_:
        return {"$": "scalar", "dtype": "S", "hex": value.hex()}
    if type(value) is not value.dtype.type:
        raise place.refused(f"is a {type(value).__qualname__}, a numpy scalar of a class of its own")
    return {"$": "scalar", "dtype": write_array_dtype(value.dtype, place), "hex": value.tobytes().hex()}


def read_numpy_scalar(node: Node) -> np.generic:
    try:
        raw = bytes.fromhex(field(node, "hex", str))
        if node.get("dtype") == "U":
            return np.str_(raw.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise malformed("a numpy scalar whose bytes are none") from error
    if node.get("dtype") == "S":
        return np.bytes_(raw)
    dtype = read_array_dtype(node.get("dtype"))
    if dtype.kind in "SU" or dtype.subdtype is not None or dtype.itemsize != len(raw):
        raise malformed("a numpy scalar whose bytes do not fit its dtype")
    # A bytearray, since a structured scalar is a view of its buffer and has to stay writable.
    held: Any = np.ndarray((), dtype, buffer=bytearray(raw))
    found: np.generic = held[()]
    return found
