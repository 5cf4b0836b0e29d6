"""What `graph` took, put back into the objects, lists and arrays that are there; what is missing is made anew."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from .classes import kind_of, resolve
from .columns import COLUMNS, rows_of
from .graph import GENERATOR, ITEMS, OBJECT, TUPLE, attributes_of, bits_of
from .plain import copied

__all__ = ["Refill", "put", "remove"]

_MISSING = object()
_GENERATORS: dict[str, Callable[[], Any]] = {
    "Generator": torch.Generator,
    "Random": random.Random,
    "RandomState": np.random.RandomState,
}
_BITS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


class Refill:
    """Of `owner`, by the saved `objects`, of which it is the first."""

    def __init__(self, owner: Any, objects: Sequence[Mapping[str, Any]]) -> None:
        self._objects = objects
        self._there: dict[int, Any] = {0: owner}
        self._made: dict[object, Any] = {}
        self._used = {id(owner)}

    def each(self) -> Iterator[tuple[Any, str, dict[str, Any]]]:
        """Every object, its place, and what it now has for each attribute that was saved."""
        for number, saved in enumerate(self._objects):
            if (thing := self._there.get(number)) is None:
                continue  # those that one holds come after it, unless somebody has meddled with them
            now = attributes_of(thing)
            values = {name: self._as_now(value, now.get(name, _MISSING)) for name, value in saved["values"].items()}
            for name, value in values.items():
                put(thing, name, value)
            yield thing, saved["path"], values

    def _as_now(self, saved: Any, now: Any) -> Any:
        if type(saved) is dict and OBJECT in saved:
            return self._object(saved[OBJECT], now)
        key: object = id(saved)
        if type(saved) is dict and GENERATOR in saved:
            key = saved[GENERATOR]
        if key not in self._made:
            self._made[key] = self._value(saved, now)
        return self._made[key]

    def _object(self, number: int, now: Any) -> Any:
        if number not in self._there:
            kind = self._objects[number]["class"]
            fits = kind_of(type(now)) == kind and self._is_free(now)
            self._there[number] = now if fits else object.__new__(resolve(kind) or object)
        return self._there[number]

    def _value(self, saved: Any, now: Any) -> Any:
        if type(saved) is tuple:
            there = now if type(now) is tuple and len(now) == len(saved) else [_MISSING] * len(saved)
            return tuple(self._as_now(item, one) for item, one in zip(saved, there, strict=True))
        if isinstance(saved, list | deque | dict | set):
            return self._container(saved, now)
        if isinstance(saved, np.ndarray | torch.Tensor):
            return self._memory(saved, now)
        return copied(saved)

    def _container(self, saved: Any, now: Any) -> Any:
        if type(saved) is dict and GENERATOR in saved:
            kind = saved[ITEMS]
            return now if bits_of(now) == kind else _new_generator(kind)
        if type(saved) is dict and COLUMNS in saved:
            rows = rows_of(saved, _row_maker(saved[TUPLE]))
            return self._filled(now, rows, rows) if self._fits(now, rows) else rows
        if type(saved) is dict and TUPLE in saved:
            return _row_maker(saved[TUPLE])(self._as_now(item, _MISSING) for item in saved[ITEMS])
        fits = self._fits(now, saved)
        if isinstance(saved, set):
            items: Any = set(saved)
        elif isinstance(saved, dict):
            items = {
                key: self._as_now(item, now.get(key, _MISSING) if fits else _MISSING) for key, item in saved.items()
            }
        else:
            there = [*(now if fits else ()), *[_MISSING] * len(saved)]
            items = [self._as_now(item, one) for item, one in zip(saved, there, strict=False)]
        return self._filled(now if fits else copied(saved), saved, items)

    def _fits(self, now: Any, saved: Any) -> bool:
        same_size = getattr(now, "maxlen", None) == getattr(saved, "maxlen", None)
        return type(now) is type(saved) and same_size and self._is_free(now)

    @staticmethod
    def _filled(target: Any, saved: Any, items: Any) -> Any:
        target.clear()
        target.extend(items) if isinstance(saved, list | deque) else target.update(items)
        return target

    def _memory(self, saved: Any, now: Any) -> Any:
        alike = type(now) is type(saved) and now.dtype == saved.dtype and now.shape == saved.shape
        if not alike or not self._is_free(now):
            return copied(saved)
        if isinstance(saved, np.ndarray):
            if not now.flags.writeable:
                return copied(saved)
            np.copyto(now, saved)
            return now
        if now.grad_fn is not None or now.requires_grad != saved.requires_grad or now.is_inference():
            return copied(saved).to(now.device)
        with torch.no_grad():
            return now.copy_(saved)

    def _is_free(self, now: Any) -> bool:
        """Whether nothing was put into it yet: what is one thing now may have been two."""
        is_free = id(now) not in self._used
        self._used.add(id(now))
        return is_free


def put(thing: Any, name: str, value: Any) -> None:
    """Past properties, and into frozen dataclasses as well."""
    home = getattr(thing, "__dict__", None)
    if home is not None and not hasattr(getattr(type(thing), name, None), "__set__"):
        home[name] = value
    else:
        object.__setattr__(thing, name, value)


def remove(thing: Any, name: str) -> None:
    """The attribute of this name."""
    if name in getattr(thing, "__dict__", {}):
        del thing.__dict__[name]
    else:
        object.__delattr__(thing, name)


def _row_maker(name: str) -> Any:
    """What makes a row of such a class, without code of it; None for what is no tuple."""
    kind = tuple if name == kind_of(tuple) else resolve(name, row=True)
    return None if kind is None else partial(tuple.__new__, kind)


def _new_generator(kind: str) -> Any:
    """Its state comes later."""
    return np.random.Generator(getattr(np.random, kind)()) if kind in _BITS else _GENERATORS[kind]()
