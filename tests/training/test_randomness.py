"""Randomness is kept, put back, and lent out without a trace."""

from __future__ import annotations

import random

import numpy as np
import torch

from colab_resume.training.data import randomness
from colab_resume.training.data.generators import own_generators
from colab_resume.training.data.randomness import Stream, seeded


def _draw() -> list[float]:
    return [random.random(), float(np.random.rand()), float(np.random.randn()), torch.randn(3).sum().item()]


def test_what_is_restored_goes_on_with_the_same_numbers() -> None:
    """All three global generators, including numpy's spare Gaussian."""
    np.random.randn()
    state = randomness.capture()
    expected = [_draw(), _draw()]
    randomness.restore(state)
    assert [_draw(), _draw()] == expected


def test_code_inside_a_stream_leaves_no_trace_outside() -> None:
    """The training draws the same numbers whether or not a sampler ran meanwhile."""
    state = randomness.capture()
    expected = _draw()
    randomness.restore(state)
    with Stream(1).drawing():
        _draw()
    assert _draw() == expected


def test_a_stream_depends_on_its_seed_alone_and_goes_on_where_it_stopped() -> None:
    """What happens outside between two drawings does not matter."""
    own = torch.Generator()
    one, other = Stream(4, own_generators([own])), Stream(4, own_generators([own]))
    drawn = []
    for _ in range(2):
        with one.drawing():
            drawn.append([*_draw(), torch.rand(1, generator=own).item()])
        _draw()
        torch.rand(1, generator=own)
    again = []
    for _ in range(2):
        with other.drawing():
            again.append([*_draw(), torch.rand(1, generator=own).item()])
    assert drawn == again
    assert drawn[0] != drawn[1]


def test_the_generators_of_a_stream_are_not_in_step_with_each_other() -> None:
    """numpy and torch are both Mersenne twisters: from one seed they would give the same bits."""
    with seeded(1, 2):
        words = np.random.randint(0, 2**32, 8, dtype=np.uint32)
        bits = torch.randint(0, 2**32, (8,), dtype=torch.int64).numpy()
        plain = [random.getrandbits(32) for _ in range(8)]
    assert not set(words.tolist()) & set(bits.tolist())
    assert not set(words.tolist()) & set(plain)


def test_each_item_of_each_pass_has_numbers_of_its_own() -> None:
    """Else all batches would be augmented alike."""
    seen = set()
    for seed in range(3):
        for number in range(3):
            with seeded(seed, number):
                seen.add(torch.rand(1).item())
    assert len(seen) == 9


def test_an_error_inside_a_stream_puts_the_generators_back() -> None:
    """A dataset that raises must not leave the training on the stream's numbers."""
    state = randomness.capture()
    expected = _draw()
    randomness.restore(state)
    try:
        with Stream(1).drawing():
            raise KeyError("no such sample")
    except KeyError:
        pass
    assert _draw() == expected
