"""A state in the types that `torch.load(..., weights_only=True)` takes; sharing and views stay as they are.

Tensors, numbers, text, bytes, dicts, lists, tuples and sets stay. Arrays become tensors, numpy's scalars become
Python's, deques become lists, enums their values, paths text. What has no such form is refused, with its path.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
import torch

from ..errors import EncodingError

__all__ = ["plain"]

_KEPT = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray),
    *(torch.Tensor, torch.nn.Parameter, torch.Size, torch.dtype, torch.device),
)


def plain(states: Mapping[str, Any]) -> dict[str, Any]:
    """The same states in plain types; `EncodingError` names what has none."""
    walk = _Walk()
    return {name: walk.value(state, name) for name, state in states.items()}


class _Walk:
    """Each object is converted once, and keeps its identity, however many ways lead to it."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[object, Any]] = {}

    def value(self, value: Any, place: str) -> Any:
        if type(value) in _KEPT:
            return value
        if id(value) not in self._made:
            # The original is held too, for as long as its id stands for it.
            self._made[id(value)] = value, self._convert(value, place)
        return self._made[id(value)][1]

    def _convert(self, value: Any, place: str) -> Any:
        match value:
            case Enum():
                return self.value(value.value, place)
            case PurePath():
                return str(value)
            case np.generic() | np.ndarray():
                return self._from_numpy(value, place)
            case dict():
                return self._dict(value, place)
            case list() | deque():
                return [self.value(item, f"{place}[{index}]") for index, item in enumerate(value)]
            case tuple():
                return tuple(self.value(item, f"{place}[{index}]") for index, item in enumerate(value))
            case set() | frozenset():
                return {self._key(item, place) for item in value}
        raise _refused(value, place)

    def _from_numpy(self, value: Any, place: str) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
            try:
                return torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("=")))
            except TypeError as error:
                raise _refused(value, place) from error
        found = value.tolist()
        if value.dtype.kind not in "biufcUS" or isinstance(found, np.generic):
            raise _refused(value, place)
        return found

    def _dict(self, value: dict[Any, Any], place: str) -> Any:
        pairs = [(self._key(key, place), self.value(item, f"{place}[{key!r:.80}]")) for key, item in value.items()]
        found: Any = OrderedDict(pairs) if isinstance(value, OrderedDict) else dict(pairs)
        if len(found) != len(pairs):
            raise EncodingError(f"{place} would have the same key twice", hint="export other parts with --part")
        if hasattr(value, "_metadata"):
            found._metadata = self.value(value._metadata, f"{place}._metadata")
        return found

    def _key(self, value: Any, place: str) -> Any:
        key = self.value(value, f"a key of {place}")
        if isinstance(key, set | list):
            raise _refused(value, f"a key of {place}")
        return key


def _refused(value: Any, place: str) -> EncodingError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, np.ndarray | np.generic):
        kind = f"numpy {value.dtype}"
    return EncodingError(
        f"{place} is a {kind}, which torch.load(..., weights_only=True) does not take",
        hint="export other parts with --part, or to a .safetensors file",
    )
