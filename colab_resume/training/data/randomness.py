"""Everything a training draws: kept, put back, and lent out without leaving a trace.

Two promises. `capture` and `restore` carry the global generators of python, numpy, torch and every CUDA device across
a restart. A `Stream` gives a piece of code (a sampler, a dataset) generators of its own, so that what it draws depends
on its seed alone, and the training's generators do not notice that it ran.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

import torch

from .generators import GLOBAL, Source, gpu_generators

__all__ = ["Chance", "Stream", "capture", "hold", "include", "mixed", "restore", "seeded"]

_NAMES = ("python", "numpy", "torch")


class Chance(Protocol):
    """The global generators of one more library."""

    def get(self) -> Any:
        """Their state, which later draws do not change."""
        ...

    def set(self, state: Any) -> None: ...


_included: dict[str, Chance] = {}


def include(name: str, chance: Chance) -> None:
    """Capture and restore these, too, from now on."""
    _included.setdefault(name, chance)


def capture() -> dict[str, Any]:
    """The state of the global generators; plain values and tensors."""
    return hold()()


def hold() -> Callable[[], dict[str, Any]]:
    """The same, in a fraction of the time: what it returns tells the state of this moment, whenever it is asked."""
    held = [source.hold() for source in GLOBAL]
    others = {name: chance.get() for name, chance in _included.items()}
    if torch.cuda.is_initialized():
        others = {"cuda": torch.cuda.get_rng_state_all(), **others}
    return partial(_told, held, others)


def _told(held: Sequence[Any], others: Mapping[str, Any]) -> dict[str, Any]:
    told = (source.told(its) for source, its in zip(GLOBAL, held, strict=True))
    return {**dict(zip(_NAMES, told, strict=True)), **others}


def restore(state: dict[str, Any]) -> None:
    """Put back what `capture` gave; CUDA devices that are not there any more are left out."""
    for name, chance in _included.items():  # first: to make what is not there yet, they may draw from python's
        if name in state:
            chance.set(state[name])
    version, words, rest = state["python"]
    states = (version, tuple(words.tolist()), rest), state["numpy"], state["torch"]
    for source, its in zip(GLOBAL, states, strict=True):
        source.set(its)
    if torch.cuda.is_available():
        for device, rng in zip(range(torch.cuda.device_count()), state.get("cuda", ()), strict=False):
            torch.cuda.set_rng_state(rng, device)


class Stream:
    """Randomness of its own for whatever runs inside `drawing()`: it begins at `seed` and goes on where it stopped."""

    def __init__(self, seed: int, own: Iterable[Source] = ()) -> None:
        self._sources = _sources(own)
        self._seed = seed
        self._states: list[Any] | None = None

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Lend the stream to the code inside; afterwards the generators are as they were before."""
        outside = [source.hold() for source in self._sources]
        try:
            if self._states is None:
                _seed_all(self._sources, self._seed)
            else:
                _put_back(self._sources, self._states)
            yield
            self._states = [source.hold() for source in self._sources]
        finally:
            _put_back(self._sources, outside)


@contextmanager
def seeded(seed: int, number: int, own: Iterable[Source] = ()) -> Iterator[None]:
    """Seed the generators for item `number` of the pass with this seed; put them back afterwards."""
    sources = _sources(own)
    outside = [source.hold() for source in sources]
    try:
        _seed_all(sources, mixed(seed, number))
        yield
    finally:
        _put_back(sources, outside)


def _sources(own: Iterable[Source]) -> list[Source]:
    # The GPUs come last: a source's number goes into its seed, and a worker has none of them.
    return [*GLOBAL, *own, *gpu_generators()]


def _seed_all(sources: Sequence[Source], seed: int) -> None:
    # One seed for all would give numpy and torch the very same numbers: both are Mersenne twisters.
    for number, source in enumerate(sources):
        source.seed(mixed(seed, number))


def _put_back(sources: Sequence[Source], held: Sequence[Any]) -> None:
    for source, its in zip(sources, held, strict=True):
        source.put_back(its)


def mixed(seed: int, number: int) -> int:
    """A seed of its own for each number."""
    text = f"{seed} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
