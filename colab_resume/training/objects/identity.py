"""Whether very many objects are the same ones as before, by comparing where they lie.

A tuple of CPython has the addresses of its items side by side, at its end. Two stretches of memory are compared in a
twentieth of the time that a comparison one by one takes. It is not believed before it was proved; elsewhere it is one
by one. Equality would not do: 1 equals True, and a tensor with one number equals another one.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from operator import is_
from typing import Any

__all__ = ["are_same"]

_ADDRESS = ctypes.sizeof(ctypes.c_void_p)


def are_same(before: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    """Whether both hold the very same objects in the same order."""
    if len(before) != len(now):
        return False
    return _addresses(before) == _addresses(now) if _is_known() else all(map(is_, before, now))


def _addresses(objects: tuple[Any, ...]) -> bytes:
    return ctypes.string_at(id(objects) + tuple.__basicsize__, len(objects) * _ADDRESS)


@cache
def _is_known() -> bool:
    probes = [(), (1,), (object(), "text", None, [])]
    expected = [b"".join(id(item).to_bytes(_ADDRESS, sys.byteorder) for item in probe) for probe in probes]
    return tuple.__itemsize__ == _ADDRESS and list(map(_addresses, probes)) == expected
