"""What it means that a state came back exactly, and a round trip through JSON text and bytes to hold against it."""

from __future__ import annotations

import json
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from colab_resume.checkpoints.encoding import Encoded, decode, encode

__all__ = ["STORED", "Stored", "picture", "round_trip", "store"]

STORED = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}


_WITH_IDENTITY = (
    *(list, dict, OrderedDict, defaultdict, Counter, set, deque, bytearray),
    *(torch.Tensor, torch.nn.Parameter, np.ndarray),
)
_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class Stored:
    """A state as it would lie on disk: JSON text, and bytes with a dtype and a shape."""

    text: str
    specs: list[tuple[str, tuple[int, ...]]]
    contents: list[bytes]

    def read(self, index: int) -> torch.Tensor:
        """A piece as a mapped file gives it: at an odd address."""
        dtype, shape = self.specs[index]
        if not self.contents[index]:
            return torch.empty(shape, dtype=STORED[dtype])
        return torch.frombuffer(bytearray(b"?" + self.contents[index]), dtype=STORED[dtype], offset=1).view(shape)

    def load(self, **options: Any) -> Any:
        return decode(json.loads(self.text), self.specs, self.read, **options)


def store(state: Mapping[str, object]) -> Stored:
    """Encode, and hold every piece against what it says of itself."""
    encoded: Encoded = encode(state)
    contents = []
    for piece in encoded.pieces:
        assert piece.source.dtype == STORED[piece.dtype]
        assert tuple(piece.source.shape) == piece.shape
        contents.append(piece.source.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        assert len(contents[-1]) == piece.nbytes
    assert len({piece.key for piece in encoded.pieces}) == len(encoded.pieces)
    text = json.dumps(encoded.tree, allow_nan=False)
    return Stored(text, [(piece.dtype, piece.shape) for piece in encoded.pieces], contents)


def round_trip(state: Mapping[str, object], **options: Any) -> Any:
    return store(state).load(**options)


@dataclass
class _Seen:
    """Objects and memory met so far, in order."""

    objects: dict[int, int] = field(default_factory=dict)
    memory: list[tuple[int, int]] = field(default_factory=list)


def picture(state: Any) -> Any:
    """Everything about a state that can be seen, as plain values: types, bits, order, identity and shared memory."""
    seen = _Seen()
    return _seen(state, seen), _overlaps(seen.memory)


def _overlaps(memory: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Which values look at common bytes, and how far their starts are apart."""
    return [
        (i, j, memory[j][0] - memory[i][0])
        for i in range(len(memory))
        for j in range(i)
        if max(memory[i][0], memory[j][0]) < min(memory[i][1], memory[j][1])
    ]


def _seen(value: Any, seen: _Seen) -> Any:
    kind = type(value)
    if kind in _WITH_IDENTITY:
        if id(value) in seen.objects:
            return "again", seen.objects[id(value)]
        seen.objects[id(value)] = len(seen.objects)
    if isinstance(value, torch.Tensor):
        return _seen_tensor(value, seen)
    if isinstance(value, np.ndarray):
        return _seen_array(value, seen)
    if isinstance(value, dict):
        parts: list[Any] = [(_seen(key, seen), _seen(item, seen)) for key, item in value.items()]
        parts.append(value.default_factory if kind is defaultdict else _seen(getattr(value, "_metadata", None), seen))
        return kind, parts
    if kind in (set, frozenset):
        return kind, sorted(repr(_seen(item, seen)) for item in value)
    if kind in (list, tuple, deque):
        return kind, [_seen(item, seen) for item in value], value.maxlen if kind is deque else None
    return kind, _seen_scalar(value)


def _seen_scalar(value: Any) -> Any:
    if type(value) is int:
        return hex(value)  # decimal digits have a limit
    if type(value) is float:
        return struct.pack(">d", value)
    if type(value) is complex:
        return struct.pack(">dd", value.real, value.imag)
    if isinstance(value, np.generic):
        return str(value.dtype), value.tobytes()
    return value


def _seen_tensor(tensor: torch.Tensor, seen: _Seen) -> Any:
    raw = tensor.detach()
    # Most dtypes cannot be copied by torch unless they pass for integers.
    flat = raw.view(_SAME_SIZE.get(raw.dtype.itemsize, raw.dtype)).cpu().contiguous().reshape(-1).view(torch.uint8)
    if tensor.numel():
        extent = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True)) + 1
        seen.memory.append((tensor.data_ptr(), tensor.data_ptr() + extent * tensor.element_size()))
    trained = tensor.is_leaf and tensor.requires_grad
    return type(tensor), tensor.dtype, tensor.shape, tensor.stride(), tensor.device, trained, flat.numpy().tobytes()


def _seen_array(array: np.ndarray[Any, Any], seen: _Seen) -> Any:
    if array.nbytes:
        seen.memory.append(np.lib.array_utils.byte_bounds(array))
    return type(array), array.dtype, array.dtype.isalignedstruct, array.shape, array.strides, array.tobytes()
