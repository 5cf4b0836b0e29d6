"""What is held of a generator as memory is all of its state; what is not known well enough is held the slow way."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.training.data import held
from colab_resume.training.data.generators import GLOBAL, Source, source_of
from colab_resume.training.data.randomness import seeded


class Own(random.Random):
    """Its state is whatever it says."""


PYTHON: list[Callable[[Any], Any]] = [
    lambda generator: generator.random(),
    lambda generator: generator.gauss(0, 1),
    lambda generator: generator.getrandbits(7),
    lambda generator: generator.shuffle(list(range(9))),
]
NUMPY: list[Callable[[Any], Any]] = [
    lambda generator: generator.standard_normal(),
    lambda generator: generator.randint(0, 9),
    lambda generator: generator.permutation(9).tolist(),
    lambda generator: generator.binomial(9, 0.4),
]
KINDS = [
    (random.Random, PYTHON, True),
    (np.random.RandomState, NUMPY, True),
    (Own, PYTHON, False),
    (lambda seed: np.random.RandomState(np.random.PCG64(seed)), NUMPY, False),
]


@pytest.mark.parametrize(("make", "draws", "_as_memory"), KINDS)
@given(data=st.data(), seed=st.integers(0, 9))
def test_it_goes_on_as_if_nothing_had_been_drawn_in_between(
    make: Callable[[int], Any], draws: list[Callable[[Any], Any]], _as_memory: bool, data: st.DataObject, seed: int
) -> None:
    """After any draws, also where one has left a number over that the next one will use."""
    some = st.lists(st.sampled_from(draws), max_size=5)
    generator = make(seed)
    source = found(generator)
    for draw in data.draw(some):
        draw(generator)
    state, said, kept = source.get(), _said_by(generator), source.hold()
    for draw in data.draw(some):
        draw(generator)
    assert _plain(source.told(kept)) == said
    source.put_back(kept)
    assert repr(source.get()) == repr(state)
    expected, rest = make(seed + 1), data.draw(some)
    found(expected).set(state)
    assert [draw(generator) for draw in rest] == [draw(expected) for draw in rest]


def _said_by(generator: Any) -> Any:
    state = generator.getstate() if isinstance(generator, random.Random) else generator.get_state(legacy=False)
    return _plain(state)


def _plain(state: Any) -> Any:
    """Without arrays, and with what tells 1 from 1.0."""
    if isinstance(state, dict):
        return {key: _plain(item) for key, item in state.items()}
    if isinstance(state, np.ndarray):
        return _plain(state.tolist())
    return [_plain(item) for item in state] if isinstance(state, tuple | list) else repr(state)


def found(generator: Any) -> Source:
    """How it is used."""
    source = source_of(generator)
    assert source is not None
    return source


@pytest.mark.parametrize(("make", "_draws", "as_memory"), KINDS)
def test_what_is_known_is_held_as_memory_and_nothing_else_is(
    make: Callable[[int], Any], _draws: Any, as_memory: bool
) -> None:
    """A subclass may keep more, and other bits lie elsewhere."""
    assert held.can_be_held(make(0)) is as_memory


def test_on_this_python_and_numpy_both_are_known() -> None:
    """Else each batch costs more than it need, and nobody would notice."""
    assert all(map(held.can_be_held, (random._inst, np.random.mtrand._rand)))  # type: ignore[attr-defined]


def test_where_a_proof_fails_the_slow_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an interpreter that keeps it elsewhere."""
    monkeypatch.setattr(held, "_python_is_known", lambda: False)
    monkeypatch.setattr(held, "_numpy_is_known", lambda: False)
    for make, draws, _ in KINDS:
        generator = make(3)
        source = found(generator)
        kept, first = source.hold(), draws[0](generator)
        source.put_back(kept)
        assert draws[0](generator) == first


def test_numpys_own_generator_may_get_other_bits() -> None:
    """`set_bit_generator` gives the global one another memory, and perhaps another kind."""
    before = np.random.get_bit_generator()
    try:
        for bits in (np.random.MT19937(5), np.random.MT19937(6), before):
            np.random.set_bit_generator(bits)
            state = np.random.get_state(legacy=False)
            with seeded(1, 2):
                inside = np.random.random(3).tolist()
            assert repr(np.random.get_state(legacy=False)) == repr(state)
            assert inside == [0.8552505070212417, 0.6616457713859825, 0.03762416610224839]
    finally:
        np.random.set_bit_generator(before)


def test_in_another_process_the_memory_is_another() -> None:
    """A source that was sent somewhere has a generator of its own."""
    for source in (*GLOBAL[:2], found(random.Random(1)), found(np.random.RandomState(1))):
        there = pickle.loads(pickle.dumps(source))
        here, kept = source.get(), there.hold()
        there.seed(9)
        there.put_back(kept)
        assert repr(there.get()) == repr(here) == repr(source.get())
