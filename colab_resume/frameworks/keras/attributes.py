"""Which attributes of callbacks and datasets are kept: values that a checkpoint can hold, and nothing that can run."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any

import numpy as np

from ...checkpoints.digest import digest_of

__all__ = ["is_kept", "kept", "mark"]

_ALONE = (type(None), bool, int, float, complex, str, bytes)
_MANY = (list, tuple, set, frozenset, deque)


def is_kept(value: Any, depth: int = 0) -> bool:
    """Whether this is a number, a text, an array, or a container of such."""
    if type(value) in _ALONE or isinstance(value, np.generic):
        return True
    if isinstance(value, np.ndarray):
        return type(value) is np.ndarray and value.dtype.hasobject is False
    if depth > 20:
        return False
    if type(value) in _MANY:
        return all(is_kept(part, depth + 1) for part in value)
    if type(value) in (dict, OrderedDict):
        return all(type(key) in _ALONE and is_kept(part, depth + 1) for key, part in value.items())
    return False


def kept(value: Any) -> Any:
    """The value in memory of its own: what holds it may change it in place."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple, deque):
        return type(value)(kept(part) for part in value)
    if type(value) in (dict, OrderedDict):
        return type(value)((key, kept(part)) for key, part in value.items())
    return set(value) if type(value) is set else value


def mark(value: Any) -> Any:
    """Something short that is another when the value is."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, digest_of(np.ascontiguousarray(value).data)
    if isinstance(value, list | tuple | deque):
        return type(value).__name__, [mark(part) for part in value]
    if isinstance(value, dict):
        return [(repr(key), mark(part)) for key, part in value.items()]
    return repr(value)
