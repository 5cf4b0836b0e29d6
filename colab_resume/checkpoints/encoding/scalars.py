"""Values without parts, as JSON and back: numbers, text, paths, torch's dtypes, devices and sizes.

What JSON holds exactly stays plain JSON. What it would bend (NaN payloads, integers that other readers round, lone
surrogates, which `json` merges into pairs) becomes a tagged node.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any

import torch

from ..strict_json import JSON
from .nodes import Node, field, malformed, whole

__all__ = ["READERS", "WRITERS", "is_clean", "read_base64", "write_base64"]

_EXACT_IN_EVERY_JSON_READER = 2**53
_DTYPES = {str(found).removeprefix("torch."): found for found in vars(torch).values() if isinstance(found, torch.dtype)}
_PATHS: dict[str, Callable[[str], Any]] = {"path": Path, "posix": PurePosixPath, "windows": PureWindowsPath}


def is_clean(text: str) -> bool:
    """Whether JSON keeps this text: two lone surrogates side by side would come back as one character."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def write_base64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode("ascii")


def read_base64(node: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(field(node, "base64", str), validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed("text that is not base64") from error


def _write_same(value: bool | None) -> JSON:
    return value


def _write_int(value: int) -> JSON:
    if abs(value) < _EXACT_IN_EVERY_JSON_READER:
        return value
    return {"$": "int", "hex": hex(value)}


def _read_int(node: Node) -> int:
    text = field(node, "hex", str)
    if not re.fullmatch(r"-?0x[0-9a-f]+", text, re.ASCII):
        raise malformed("an integer that is not hexadecimal")
    return int(text, 16)


def _write_float(value: float) -> JSON:
    if math.isfinite(value):
        return value
    return {"$": "float", "bits": struct.pack(">d", value).hex()}


def _read_float_bits(node: Node) -> float:
    text = field(node, "bits", str)
    if not re.fullmatch(r"[0-9a-f]{16}", text, re.ASCII):
        raise malformed("a float that is not 16 hexadecimal digits")
    value: float = struct.unpack(">d", bytes.fromhex(text))[0]
    return value


def _read_float(value: object) -> float:
    """A float as `json` gives it or as a node; Python's `json` also accepts NaN and Infinity, which no writer makes."""
    if type(value) is dict and value.get("$") == "float":
        return _read_float_bits(value)
    if type(value) is not float or not math.isfinite(value):
        raise malformed("a float that is none")
    return value


def _write_str(value: str) -> JSON:
    if is_clean(value):
        return value
    return {"$": "str", "base64": write_base64(value.encode("utf-8", "surrogatepass"))}


def _read_str(value: object) -> str:
    if type(value) is str:
        return value
    if type(value) is not dict or value.get("$") != "str":
        raise malformed("text that is none")
    try:
        return read_base64(value).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise malformed("text that is not UTF-8") from error


def _write_complex(value: complex) -> JSON:
    return {"$": "complex", "real": _write_float(value.real), "imag": _write_float(value.imag)}


def _read_complex(node: Node) -> complex:
    return complex(_read_float(node.get("real")), _read_float(node.get("imag")))


def _write_path(kind: str) -> Callable[[PurePosixPath | PureWindowsPath], JSON]:
    return lambda value: {"$": "path", "type": kind, "value": _write_str(str(value))}


def _read_path(node: Node) -> PurePosixPath | PureWindowsPath:
    make = _PATHS.get(field(node, "type", str))
    if make is None:
        raise malformed("a path of an unknown type")
    found: PurePosixPath | PureWindowsPath = make(_read_str(node.get("value")))
    return found


def _write_dtype(value: torch.dtype) -> JSON:
    return {"$": "dtype", "name": str(value).removeprefix("torch.")}


def _read_dtype(node: Node) -> torch.dtype:
    found = _DTYPES.get(field(node, "name", str))
    if found is None:
        raise malformed("a dtype that this torch does not have")
    return found


def _write_device(value: torch.device) -> JSON:
    return {"$": "device", "name": str(value)}


def _read_device(node: Node) -> torch.device:
    name = field(node, "name", str)
    try:
        found = torch.device(name)
    except (RuntimeError, ValueError) as error:
        raise malformed("a device that this torch does not have") from error
    # torch keeps the index in eight bits and wraps silently: "cuda:300" is "cuda:44".
    if str(found) != name:
        raise malformed("a device index out of range")
    return found


def _write_size(value: torch.Size) -> JSON:
    return {"$": "size", "items": [_write_int(item) for item in value]}


def _read_size(node: Node) -> torch.Size:
    items = [_read_int(item) if type(item) is dict else item for item in field(node, "items", list)]
    return torch.Size([whole(item, low=-(2**63)) for item in items])


WRITERS: dict[type, Callable[[Any], JSON]] = {
    type(None): _write_same,
    bool: _write_same,
    int: _write_int,
    float: _write_float,
    str: _write_str,
    complex: _write_complex,
    PosixPath: _write_path("path"),
    WindowsPath: _write_path("path"),
    PurePosixPath: _write_path("posix"),
    PureWindowsPath: _write_path("windows"),
    torch.dtype: _write_dtype,
    torch.device: _write_device,
    torch.Size: _write_size,
}

READERS: dict[str, Callable[[Node], object]] = {
    "int": _read_int,
    "float": _read_float_bits,
    "str": _read_str,
    "complex": _read_complex,
    "path": _read_path,
    "dtype": _read_dtype,
    "device": _read_device,
    "size": _read_size,
}
