"""Plain values: numbers, texts, enums, None, tensors, arrays, and containers of these; to tell, copy, compare.

Parameters are not among them, and neither is what looks at memory that belongs to somebody else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection
from enum import Enum
from typing import Any

import numpy as np
import torch

from ...checkpoints.encoding.nodes import FACTORIES

__all__ = ["copied", "is_plain", "same"]

_WITHOUT_PARTS = (type(None), bool, int, float, complex, str, bytes, torch.Size, torch.dtype)
_SCALARS = (np.number, np.bool_, np.str_, np.bytes_, Enum)
_SEQUENCES = (tuple, list, deque, set, frozenset)
_DICTS = (dict, OrderedDict, Counter)
_DEEPEST = 20


def is_plain(value: Any, taken: Collection[int] = (), depth: int = 0) -> bool:
    """Whether this is a plain value; `taken` are the addresses of memory that belongs to others."""
    kind = type(value)
    if kind in _WITHOUT_PARTS or isinstance(value, _SCALARS):
        return True
    if kind is torch.Tensor:
        return _is_stored_alone(value) and value.untyped_storage().data_ptr() not in taken
    if kind is np.ndarray:
        return _has_memory_of_its_own(value, taken)
    if kind in _SEQUENCES and depth < _DEEPEST:
        return all(is_plain(item, taken, depth + 1) for item in value)
    if (kind in _DICTS or _is_default(value)) and depth < _DEEPEST:
        return all(type(key) in _WITHOUT_PARTS and is_plain(item, taken, depth + 1) for key, item in value.items())
    return False


def copied(value: Any) -> Any:
    """A plain value in memory of its own."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.is_leaf and value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy(order="K")
    if isinstance(value, tuple | list | set | frozenset) and type(value) is not torch.Size:
        return type(value)(copied(item) for item in value)
    if isinstance(value, deque):
        return deque(map(copied, value), value.maxlen)
    if isinstance(value, dict):
        items = {key: copied(item) for key, item in value.items()}
        return defaultdict(value.default_factory, items) if isinstance(value, defaultdict) else type(value)(items)
    return value


def _is_default(value: Any) -> bool:
    return type(value) is defaultdict and value.default_factory in FACTORIES.values()


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal in type and in all their bits, wherever they lie."""
    if one is other and isinstance(one, _WITHOUT_PARTS):
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(_bits(one), _bits(other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and bool(one.tobytes() == other.tobytes())
    if isinstance(one, set | frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    if isinstance(one, tuple | list | deque) and type(one) is not torch.Size:
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(map(repr, one)) == list(map(repr, other)) and all(same(one[key], other[key]) for key in one)
    return repr(one) == repr(other)  # tells -0.0 from 0.0 and True from 1, and takes NaN for NaN


def _is_stored_alone(tensor: torch.Tensor) -> bool:
    """Whether the bytes of this tensor are all there is to it."""
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized:
        return False
    return tensor.device.type in ("cpu", "cuda")


def _has_memory_of_its_own(array: np.ndarray[Any, Any], taken: Collection[int]) -> bool:
    """Whether it looks at no memory that is `taken`, and at none that is neither numpy's nor torch's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    if isinstance(array.base, torch.Tensor):
        return not array.dtype.hasobject and array.base.untyped_storage().data_ptr() not in taken
    return not array.dtype.hasobject and array.base is None


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8)
