"""What a value is made of, as a short text: two values have the same text if they are the same to the bit.

NaN is the same as a NaN of the same bits, and 0.0 is not -0.0. Of what cannot be compared only the type counts.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import struct
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

__all__ = ["bits", "fingerprint", "is_plain"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, Enum, PurePath, slice, range, np.generic, np.dtype)
_TORCH_PLAIN = (torch.dtype, torch.device, torch.layout, torch.memory_format)


def is_plain(value: Any) -> bool:
    """Whether this is a value that can only be replaced, not changed."""
    return isinstance(value, (*_PLAIN, *_TORCH_PLAIN))


def fingerprint(value: Any) -> str:
    """The text for this value, however deeply it is nested."""
    digest = _Digest()
    digest.feed(value)
    return digest.text()


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a strided tensor in its logical order, on the CPU; a view of it where that is possible."""
    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    return plain.contiguous().reshape(-1).view(torch.uint8)


class _Digest:
    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._open: set[int] = set()

    def text(self) -> str:
        return self._hash.hexdigest()

    def feed(self, value: Any) -> None:
        if is_plain(value):
            self._say(_kind(value), _plain_text(value))
        elif isinstance(value, torch.Tensor):
            self._feed_tensor(value)
        elif isinstance(value, np.ndarray):
            self._feed_array(value)
        elif id(value) in self._open:
            self._say("again")
        else:
            self._open.add(id(value))
            self._feed_container(value)
            self._open.discard(id(value))

    def _feed_container(self, value: Any) -> None:
        self._say(_kind(value))
        if isinstance(value, Mapping):
            self._feed_all(part for pair in value.items() for part in pair)
        elif isinstance(value, (set, frozenset)):
            self._say(*sorted(map(fingerprint, value)))
        elif isinstance(value, (list, tuple, deque)):
            self._feed_all(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            self._feed_all(getattr(value, field.name) for field in dataclasses.fields(value))
        elif isinstance(value, bytearray):
            self._say(value.hex())
        elif isinstance(value, torch.Generator):
            self.feed(value.get_state())
        elif isinstance(value, np.random.Generator):
            self.feed(value.bit_generator.state)
        elif isinstance(value, np.random.RandomState):
            self.feed(value.get_state(legacy=False))
        elif isinstance(value, random.Random) and not isinstance(value, random.SystemRandom):
            self.feed(value.getstate())

    def _feed_all(self, values: Iterable[Any]) -> None:
        count = 0
        for value in values:
            self.feed(value)
            count += 1
        self._say("end", str(count))

    def _feed_tensor(self, tensor: torch.Tensor) -> None:
        self._say("tensor", str(tensor.dtype), str(tuple(tensor.shape)), str(tensor.layout))
        with torch.no_grad():
            if tensor.layout == torch.sparse_coo:
                self._hash.update(_memory(bits(tensor.detach()._indices())))
                self._hash.update(_memory(bits(tensor.detach()._values())))
            elif tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta:
                self._hash.update(_memory(bits(tensor)))

    def _feed_array(self, array: np.ndarray[Any, Any]) -> None:
        self._say("array", str(array.dtype), str(array.shape))
        if array.dtype.hasobject:
            self._feed_all(array.ravel())
        else:
            self._hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def _say(self, *words: str) -> None:
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            self._hash.update(struct.pack("<q", len(data)) + data)


def _memory(flat: torch.Tensor) -> memoryview:
    return flat.numpy().data


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _plain_text(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float):
        return struct.pack("<d", value).hex()
    if isinstance(value, complex):
        return struct.pack("<dd", value.real, value.imag).hex()
    if isinstance(value, np.generic):
        return f"{value.dtype} {value.tobytes().hex()}"
    if isinstance(value, int):
        return hex(value)  # decimal digits have a limit
    return value.hex() if isinstance(value, bytes) else str(value)
