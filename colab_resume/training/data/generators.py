"""Random generators, one by one: those of python, numpy and torch, and those that samplers and datasets keep.

All are used in the same way: the state is taken out and put back, and a new stream is begun from a number.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import GeneratorType
from typing import Any, Protocol

import numpy as np
import torch

from .held import HeldNumpy, HeldPython, can_be_held
from .reach import reachable
from .users_code import is_users_file

__all__ = ["GLOBAL", "Source", "generators_in", "gpu_generators", "own_generators", "source_of"]

_BITS32 = 0xFFFFFFFF


class Source(Protocol):
    """One generator."""

    def get(self) -> Any:
        """Its state, which later draws do not change."""
        ...

    def set(self, state: Any) -> None: ...

    def hold(self) -> Any:
        """The same for `put_back` in this process, as quickly as it can be had."""
        ...

    def put_back(self, held: Any) -> None: ...

    def told(self, held: Any) -> Any:
        """What `hold` gave, as values that can be stored."""
        ...

    def seed(self, seed: int) -> None:
        """Begin the stream that belongs to this number."""
        ...

    def initial_seed(self) -> int | None:
        """The number its stream began with, if it remembers one."""
        ...


class _Plain(ABC):
    """One whose state is quickly had."""

    @abstractmethod
    def get(self) -> Any: ...

    @abstractmethod
    def set(self, state: Any) -> None: ...

    def hold(self) -> Any:
        return self.get()

    def put_back(self, held: Any) -> None:
        self.set(held)

    def told(self, held: Any) -> Any:
        return held


class _Python:
    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self._held = HeldPython(generator) if can_be_held(generator) else None

    def __reduce__(self) -> Any:
        return type(self), (self._generator,)  # in another process its memory lies elsewhere

    def get(self) -> Any:
        return self._generator.getstate()

    def set(self, state: Any) -> None:
        self._generator.setstate(state)

    def hold(self) -> Any:
        return self.get() if self._held is None else self._held.get()

    def put_back(self, held: Any) -> None:
        self.set(held) if self._held is None else self._held.set(held)

    def told(self, held: Any) -> Any:
        """Its 625 words as an array, which is stored much faster."""
        if self._held is not None:
            return self._held.told(held)
        version, words, rest = held
        return [version, np.array(words, np.uint32), rest]

    def seed(self, seed: int) -> None:
        self._generator.seed(seed)

    def initial_seed(self) -> None:
        return None


class _NumpyLegacy:
    """A `RandomState`, such as the one behind `numpy.random`."""

    def __init__(self, generator: np.random.RandomState) -> None:
        self._generator = generator
        self._held: HeldNumpy | None = None

    def __reduce__(self) -> Any:
        return type(self), (self._generator,)  # in another process its memory lies elsewhere

    def get(self) -> Any:
        return self._generator.get_state(legacy=False)

    def set(self, state: Any) -> None:
        self._generator.set_state(state)

    def hold(self) -> Any:
        held = self._memory()
        return (None, self.get()) if held is None else (held, held.get())

    def put_back(self, held: Any) -> None:
        by, state = held
        self.set(state) if by is None else by.set(state)

    def told(self, held: Any) -> Any:
        by, state = held
        return state if by is None else by.told(state)

    def seed(self, seed: int) -> None:
        self._generator.seed(seed & _BITS32)

    def initial_seed(self) -> None:
        return None

    def _memory(self) -> HeldNumpy | None:
        # Anybody may give it other bits to draw from: numpy.random.set_bit_generator.
        if self._held is None or not self._held.is_of(self._generator):
            self._held = HeldNumpy(self._generator) if can_be_held(self._generator) else None
        return self._held


class _Numpy(_Plain):
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


class _Torch(_Plain):
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
    _NumpyLegacy(np.random.mtrand._rand),
    _Torch(torch.default_generator),
)
"""Python's, numpy's and torch's, in this order."""


def gpu_generators() -> list[Source]:
    """Those of the GPUs that this process has used; none in a worker, which must not touch them after a fork."""
    return [_Torch(generator) for generator in torch.cuda.default_generators] if torch.cuda.is_initialized() else []


_GLOBAL_OBJECTS = (random._inst, np.random.mtrand._rand, torch.default_generator)


def own_generators(*owners: Any, leave_out: Iterable[Any] = ()) -> list[Source]:
    """The generators that these objects can reach when they run: each once, in a fixed order, the nearest first.

    The global ones are not among them; `leave_out` is not looked into.
    """
    return reachable(owners, source_of, leave_out=(*_GLOBAL_OBJECTS, *leave_out))


def generators_in(function: GeneratorType[Any, Any, Any]) -> list[Any]:
    """The random generators that this generator function of the user's has in variables, but for the global ones."""
    frame = function.gi_frame
    if frame is None or not is_users_file(frame.f_code.co_filename):
        return []
    variables = frame.f_locals
    found = [value for value in variables.values() if source_of(value) is not None]
    if isinstance(variables, dict):
        variables.clear()  # up to Python 3.12 a copy that lives as long as the frame
    return [one for one in found if all(one is not known for known in _GLOBAL_OBJECTS)]


def source_of(thing: Any) -> Source | None:
    """How this one is used, if it is a generator."""
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
