"""Every generator a training draws from: kept, put back, and lent out without leaving a trace.

Two promises. `capture` and `restore` carry the global generators of python, numpy, torch and every CUDA device across
a restart. A `Stream` gives a piece of code (a sampler, a dataset) generators of its own, so that what it draws depends
on its seed alone, and the training's generators do not notice that it ran.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch

__all__ = ["Stream", "capture", "generators_of", "restore", "seeded"]

_BITS32 = 0xFFFFFFFF


class _Source(Protocol):
    def get(self) -> Any: ...
    def set(self, state: Any) -> None: ...
    def seed(self, seed: int) -> None: ...


class _Python:
    def get(self) -> Any:
        return random.getstate()

    def set(self, state: Any) -> None:
        random.setstate(state)

    def seed(self, seed: int) -> None:
        random.seed(seed)


class _Numpy:
    def get(self) -> Any:
        return np.random.get_state(legacy=False)

    def set(self, state: Any) -> None:
        np.random.set_state(state)

    def seed(self, seed: int) -> None:
        np.random.seed(seed & _BITS32)


class _Torch:
    """The CPU generator alone: `torch.manual_seed` would reseed every GPU as well."""

    def get(self) -> Any:
        return torch.get_rng_state()

    def set(self, state: Any) -> None:
        torch.set_rng_state(state)

    def seed(self, seed: int) -> None:
        torch.default_generator.manual_seed(seed)


class _Generator:
    """A `torch.Generator` that belongs to a sampler or a loader."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def get(self) -> Any:
        return self._generator.get_state()

    def set(self, state: Any) -> None:
        self._generator.set_state(state)

    def seed(self, seed: int) -> None:
        self._generator.manual_seed(seed)


_GLOBAL: tuple[_Source, ...] = (_Python(), _Numpy(), _Torch())


def capture() -> dict[str, Any]:
    """The state of the global generators; plain values and tensors."""
    names = ("python", "numpy", "torch")
    state: dict[str, Any] = {name: source.get() for name, source in zip(names, _GLOBAL, strict=True)}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` gave; CUDA devices that are not there any more are left out."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available():
        for device, rng in zip(range(torch.cuda.device_count()), state.get("cuda", ()), strict=False):
            torch.cuda.set_rng_state(rng, device)


def generators_of(*owners: object) -> list[torch.Generator]:
    """The generators that these objects (a loader, its samplers) keep as attributes, each once, in a fixed order."""
    found: dict[int, torch.Generator] = {}
    for owner in owners:
        for _, value in sorted(getattr(owner, "__dict__", {}).items()):
            if isinstance(value, torch.Generator):
                found.setdefault(id(value), value)
    return list(found.values())


class Stream:
    """Randomness of its own for whatever runs inside `drawing()`: it begins at `seed` and goes on where it stopped."""

    def __init__(self, seed: int, generators: Iterable[torch.Generator] = ()) -> None:
        self._sources: list[_Source] = [*_GLOBAL, *map(_Generator, generators)]
        self._seed = seed
        self._states: list[Any] | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Lend the stream to the code inside; afterwards the generators are as they were before."""
        outside = [source.get() for source in self._sources]
        try:
            if self._states is None:
                _seed_all(self._sources, self._seed)
            else:
                for source, state in zip(self._sources, self._states, strict=True):
                    source.set(state)
            yield
            self._states = [source.get() for source in self._sources]
        finally:
            for source, state in zip(self._sources, outside, strict=True):
                source.set(state)


@contextmanager
def seeded(seed: int, number: int) -> Iterator[None]:
    """Seed the global generators for item `number` of the pass with this seed; put them back afterwards."""
    outside = [source.get() for source in _GLOBAL]
    _seed_all(_GLOBAL, _mix(seed, number))
    try:
        yield
    finally:
        for source, state in zip(_GLOBAL, outside, strict=True):
            source.set(state)


def _seed_all(sources: Iterable[_Source], seed: int) -> None:
    # One seed for all would give numpy and torch the very same numbers: both are Mersenne twisters.
    for number, source in enumerate(sources):
        source.seed(_mix(seed, number))


def _mix(seed: int, number: int) -> int:
    text = f"{seed} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
