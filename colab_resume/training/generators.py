"""Random generators, one by one: those of python, numpy and torch, and those that samplers and datasets keep.

All are used in the same way: the state is taken out and put back, and a new stream is begun from a number.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

__all__ = ["GLOBAL", "Source", "own_generators"]

_BITS32 = 0xFFFFFFFF
_DEEP = 5
_MANY = 64
"""Longer lists are data. In a list of transforms there are a few."""


class Source(Protocol):
    """One generator."""

    def get(self) -> Any:
        """Its state, which later draws do not change."""
        ...

    def set(self, state: Any) -> None: ...

    def seed(self, seed: int) -> None:
        """Begin the stream that belongs to this number."""
        ...

    def initial_seed(self) -> int | None:
        """The number its stream began with, if it remembers one."""
        ...


class _Python:
    def __init__(self, generator: random.Random) -> None:
        self._generator = generator

    def get(self) -> Any:
        return self._generator.getstate()

    def set(self, state: Any) -> None:
        self._generator.setstate(state)

    def seed(self, seed: int) -> None:
        self._generator.seed(seed)

    def initial_seed(self) -> None:
        return None


class _NumpyLegacy:
    """`numpy.random` itself, or a `RandomState`."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def get(self) -> Any:
        return self._generator.get_state(legacy=False)

    def set(self, state: Any) -> None:
        self._generator.set_state(state)

    def seed(self, seed: int) -> None:
        self._generator.seed(seed & _BITS32)

    def initial_seed(self) -> None:
        return None


class _Numpy:
    """A `numpy.random.Generator`, of whatever kind its bit generator is."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._bits = generator.bit_generator

    def get(self) -> Any:
        return self._bits.state

    def set(self, state: Any) -> None:
        self._bits.state = state

    def seed(self, seed: int) -> None:
        self._bits.state = type(self._bits)(seed).state

    def initial_seed(self) -> None:
        return None


class _Torch:
    """A `torch.Generator`; torch's own one alone, since `torch.manual_seed` would reseed every GPU as well."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def get(self) -> Any:
        return self._generator.get_state()

    def set(self, state: Any) -> None:
        self._generator.set_state(state)

    def seed(self, seed: int) -> None:
        self._generator.manual_seed(seed)

    def initial_seed(self) -> int:
        return self._generator.initial_seed()


GLOBAL: tuple[Source, Source, Source] = (
    _Python(random._inst),
    _NumpyLegacy(np.random),
    _Torch(torch.default_generator),
)
"""Python's, numpy's and torch's, in this order."""


def own_generators(*owners: Any, leave_out: Iterable[Any] = ()) -> list[Source]:
    """The generators that these objects, or what they are made of, keep as attributes: each once, in a fixed order.

    The global ones are not among them; `leave_out` is not looked into.
    """
    seen = {id(thing) for thing in (random._inst, np.random.mtrand._rand, torch.default_generator, *leave_out)}
    return [source for owner in owners for source in _found(owner, seen, _DEEP)]


def _found(thing: Any, seen: set[int], depth: int) -> Iterator[Source]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    source = _source(thing)
    if source is not None:
        yield source
    elif depth:
        for part in _parts(thing):
            yield from _found(part, seen, depth - 1)


def _source(thing: Any) -> Source | None:
    if isinstance(thing, torch.Generator):
        return _Torch(thing)
    if isinstance(thing, np.random.Generator):
        return _Numpy(thing)
    if isinstance(thing, np.random.RandomState):
        return _NumpyLegacy(thing)
    # SystemRandom has no state, and nothing could be repeated.
    if isinstance(thing, random.Random) and not isinstance(thing, random.SystemRandom):
        return _Python(thing)
    return None


def _parts(thing: Any) -> list[Any]:
    if isinstance(thing, (list, tuple)):
        return list(thing) if len(thing) <= _MANY else []
    if isinstance(thing, dict):
        return list(thing.values()) if len(thing) <= _MANY else []
    if isinstance(thing, (type, ModuleType)):
        return []
    attributes = getattr(thing, "__dict__", None)
    return [attributes[name] for name in sorted(attributes)] if isinstance(attributes, dict) else []
