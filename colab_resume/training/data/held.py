"""States of Mersenne twisters, held for a moment as the memory that they are.

Around each batch the training's generators are put aside and back. Python and numpy give their state away number by
number, which takes long; its memory is copied at once. Where it lies is known of
CPython (`RandomObject` in Modules/_randommodule.c: the head of all objects, an index, 624 words) and of numpy
(https://numpy.org/doc/stable/reference/random/bit_generators/mt19937.html for the words; `has_gauss` and `gauss` behind
each other in the object itself). Neither is believed before it was proved on generators that nobody needs; where it is
not so, nothing is held in this way.
"""

from __future__ import annotations

import ctypes
import random
import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

__all__ = ["HeldNumpy", "HeldPython", "can_be_held"]

_WORDS = 4 * (624 + 1)
"""Bytes of the words and the place among them; numpy keeps the place behind the words, Python before them."""
_GAUSS = struct.Struct("=i4xd")
"""A flag, a gap, and the normal number that was drawn beside the last one and not used yet."""


class HeldPython:
    """Of a `random.Random`, no subclass; the generator must live."""

    def __init__(self, generator: random.Random) -> None:
        self._generator = generator
        self._memory = _memory(id(generator) + object.__basicsize__, _WORDS)

    def get(self) -> tuple[bytes, Any]:
        """What `set` takes."""
        return self._memory.raw, self._generator.gauss_next  # type: ignore[attr-defined]

    def told(self, held: tuple[bytes, Any]) -> list[Any]:
        """What `getstate` would have said then, its words as an array."""
        raw, gauss = held
        return [self._generator.VERSION, np.roll(np.frombuffer(raw, np.uint32), -1), gauss]

    def set(self, held: tuple[bytes, Any]) -> None:
        """Be as it was then."""
        self._memory.raw, self._generator.gauss_next = held  # type: ignore[attr-defined]


class HeldNumpy:
    """Of a `RandomState`, which must live, and must draw from a Mersenne twister."""

    def __init__(self, generator: np.random.RandomState) -> None:
        self._bits = bits_of(generator)
        self._words = _memory(int(self._bits.ctypes.state_address), _WORDS)
        self._gauss = _memory(id(generator) + _gauss_at(), _GAUSS.size)

    def is_of(self, generator: np.random.RandomState) -> bool:
        """Whether that one still draws from the same bits."""
        return bits_of(generator) is self._bits

    def get(self) -> tuple[bytes, bytes]:
        """What `set` takes."""
        with self._bits.lock:
            return self._words.raw, self._gauss.raw

    def told(self, held: tuple[bytes, bytes]) -> dict[str, Any]:
        """What `get_state(legacy=False)` would have said then."""
        words = np.frombuffer(held[0], np.uint32)
        flag, left_over = _GAUSS.unpack(held[1])
        where = {"key": words[:-1].copy(), "pos": int(words[-1])}
        return {"bit_generator": "MT19937", "state": where, "has_gauss": flag, "gauss": left_over}

    def set(self, held: tuple[bytes, bytes]) -> None:
        """Be as it was then."""
        with self._bits.lock:
            self._words.raw, self._gauss.raw = held


def bits_of(generator: np.random.RandomState) -> Any:
    """What a `RandomState` draws from."""
    return generator._bit_generator


def can_be_held(generator: random.Random | np.random.RandomState) -> bool:
    """Whether it is of a kind whose memory is known here."""
    if type(generator) is random.Random:
        return _python_is_known()
    known = type(generator) is np.random.RandomState and type(bits_of(generator)) is np.random.MT19937
    return known and _numpy_is_known()


def _memory(address: int, size: int) -> Any:
    return (ctypes.c_char * size).from_address(address)


@cache
def _python_is_known() -> bool:
    if object.__basicsize__ + _WORDS > random.Random.__base__.__basicsize__:  # type: ignore[union-attr]
        return False
    pairs = [random.Random(seed) for seed in (1, 2)]
    pairs[0].gauss(0, 1)
    return _is_proved(pairs, [HeldPython(one) for one in pairs], random.Random.getstate, _as_tuples)


@cache
def _numpy_is_known() -> bool:
    if not _gauss_at():
        return False
    pairs = [np.random.RandomState(seed) for seed in (1, 2)]
    pairs[0].standard_normal()
    return _is_proved(pairs, [HeldNumpy(one) for one in pairs], _numpy_state, _plainly)


def _is_proved(
    pairs: Sequence[Any], held: Sequence[Any], state: Callable[[Any], Any], plainly: Callable[[Any], Any]
) -> bool:
    """Whether each of two that differ is told rightly and takes on the other's state, and nothing else is disturbed."""
    before = [state(one) for one in pairs]
    first, second = (one.get() for one in held)
    told = [plainly(one.told(its)) for one, its in zip(held, (first, second), strict=True)]
    held[1].set(first)
    between = [state(one) for one in pairs]
    held[0].set(second)
    after = [state(one) for one in pairs]
    exchanged = between == [before[0]] * 2 and after == before[::-1]
    return bool(before[0] != before[1] and told == before and exchanged)


def _as_tuples(told: list[Any]) -> Any:
    version, words, rest = told
    return version, tuple(words.tolist()), rest


def _numpy_state(generator: np.random.RandomState) -> Any:
    return _plainly(generator.get_state(legacy=False))


def _plainly(state: Any) -> Any:
    inner = {**state["state"], "key": state["state"]["key"].tolist()}
    return {**state, "state": inner}


@cache
def _gauss_at() -> int:
    """Where a `RandomState` keeps the number that it has left over; 0 if that cannot be found."""
    probe = np.random.RandomState(1)
    probe.standard_normal()
    *_, flag, left_over = probe.get_state(legacy=True)
    raw = ctypes.string_at(id(probe), type(probe).__basicsize__)
    sought = _GAUSS.pack(flag, left_over)
    at = raw.find(sought[8:]) - 8
    found = at > object.__basicsize__ and raw.count(sought[8:]) == 1 and raw[at : at + 4] == sought[:4]
    return at if found else 0
