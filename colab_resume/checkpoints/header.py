"""The header of a safetensors file: written without holes, and held against the file before anyone relies on it.

A reader of mapped files wants tensors aligned, and a disk that is written to past the page cache wants whole pages: so
the data of a large pack begins at a page, that of a small one, where a page would be waste, at a cache line.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import UsageError
from .damage import damaged, flaw, unreadable
from .strict_json import parse

__all__ = [
    "INT64_MAX",
    "ITEM_SIZES",
    "Spec",
    "check_key",
    "content_size",
    "header_bytes",
    "header_length",
    "parse_header",
    "read_header",
]

Spec: TypeAlias = tuple[str, tuple[int, ...]]
"""The dtype and the shape of a tensor."""

ITEM_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "F16": 2, "BF16": 2}
ITEM_SIZES |= {"I32": 4, "F32": 4, "I64": 8, "F64": 8}

INT64_MAX = 2**63 - 1

_METADATA = "__metadata__"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LIMIT = 100_000_000
_CACHE_LINE, _PAGE = 64, 4096
_LARGE = 4 << 20
_MOST_DIMENSIONS = 64


def check_key(key: str) -> None:
    """UsageError unless a header can call a tensor `key`."""
    # Half of a surrogate pair is text for Python and for its json, and not for other readers of JSON.
    if not isinstance(key, str) or key in ("", _METADATA) or _SURROGATE.search(key):
        raise UsageError(f"{key!r:.60} cannot name a tensor", hint="Give any other text that is not empty.")


def content_size(dtype: str, shape: Sequence[int]) -> int:
    """The bytes a tensor takes; UsageError if there can be no such tensor."""
    if not isinstance(dtype, str) or dtype not in ITEM_SIZES:
        raise UsageError(f"there is no dtype {dtype!r:.60}", hint=f"Use one of {', '.join(ITEM_SIZES)}.")
    if len(shape) > _MOST_DIMENSIONS or any(type(n) is not int or not 0 <= n <= INT64_MAX for n in shape):
        raise UsageError(f"{shape!s:.60} is not a shape", hint="Use at most 64 sizes, each a natural number.")
    size = math.prod(shape) * ITEM_SIZES[dtype]
    if size > INT64_MAX:
        raise UsageError(f"a tensor of shape {shape!s:.60} is too large for any file", hint="Check the shape.")
    return size


def header_bytes(specs: Mapping[str, Spec]) -> bytes:
    """The header of a file that holds these tensors in this order, padded so that the data begins aligned."""
    entries, end = {}, 0
    for key, (dtype, shape) in specs.items():
        start, end = end, end + content_size(dtype, shape)
        entries[key] = {"dtype": dtype, "shape": shape, "data_offsets": (start, end)}
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % (_PAGE if end >= _LARGE else _CACHE_LINE))
    return struct.pack("<Q", len(text)) + text


def header_length(first: bytes, size: int, name: str) -> int:
    """The length of the header that follows the first 8 bytes of the file `name`, which has `size` bytes in all."""
    # A file of less than 8 bytes gives a length that cannot be, too.
    (length,) = struct.unpack("<Q", first.ljust(8, b"\xff"))
    if length > min(_LIMIT, size - 8):
        raise damaged(name, f"its header cannot be {length} bytes long")
    return int(length)


def parse_header(text: bytes, payload: int, name: str) -> dict[str, Spec]:
    """What the file `name` holds, in the order in which it lies there.

    DamagedCheckpoint unless the header describes every one of the `payload` bytes that follow it exactly once.
    """
    try:
        return _specs(parse(text), payload)
    except ValueError as error:
        raise damaged(name, f"its header is not sound: {flaw(error)}") from error


def read_header(path: Path) -> dict[str, Spec]:
    """What the file holds; DamagedCheckpoint unless the header describes every byte of it exactly once."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(0)
            length = header_length(stream.read(8), size, path.name)
            text = stream.read(length)
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_header(text, size - 8 - length, path.name)


def _specs(header: Any, payload: int) -> dict[str, Spec]:
    if not isinstance(header, dict):
        raise ValueError("it is not a JSON object")
    header.pop(_METADATA, None)
    specs: dict[str, Spec] = {}
    end = 0
    # An empty tensor may share its start with the next one: sorted by (start, stop) it comes first.
    for start, stop, key, dtype, shape in sorted(_entry(key, entry) for key, entry in header.items()):
        if start != end:
            raise ValueError(f"there is a hole or an overlap before {key!r:.60}")
        if stop - start != content_size(dtype, shape):
            raise ValueError(f"{key!r:.60} has not the size that its shape needs")
        specs[key] = (dtype, tuple(shape))
        end = stop
    if end != payload:
        raise ValueError(f"it describes {end} bytes of data, and the file has {payload}")
    return specs


def _entry(key: str, entry: Any) -> tuple[int, int, str, str, list[int]]:
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [start, stop], **others}:
            if not others and type(start) is int and type(stop) is int:
                return start, stop, key, dtype, shape
    raise ValueError(f"the entry of {key!r:.60} is not that of a tensor")
