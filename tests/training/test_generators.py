"""Generators are found wherever samplers and datasets keep them, and all are used alike."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from colab_resume.training.generators import GLOBAL, Source, own_generators


class Box:
    """Anything with attributes."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


DRAWS: list[tuple[Any, Any]] = [
    (lambda: random.Random(1), lambda generator: generator.random()),
    (lambda: np.random.RandomState(1), lambda generator: float(generator.randn())),
    (lambda: np.random.default_rng(1), lambda generator: float(generator.random())),
    (lambda: np.random.Generator(np.random.MT19937(1)), lambda generator: float(generator.normal())),
    (lambda: np.random.Generator(np.random.Philox(1)), lambda generator: int(generator.integers(0, 9999))),
    (lambda: torch.Generator().manual_seed(1), lambda generator: torch.rand(1, generator=generator).item()),
]


@pytest.mark.parametrize(("make", "draw"), DRAWS)
def test_every_kind_goes_on_where_it_was_and_begins_where_it_is_told(make: Any, draw: Any) -> None:
    """The state comes back after any draws, and a number stands for one stream."""
    generator = make()
    (source,) = own_generators(Box(generator=generator))
    state = source.get()
    expected = [draw(generator), draw(generator)]
    source.set(state)
    assert [draw(generator), draw(generator)] == expected
    streams = []
    for seed in (5, 6, 5):
        source.seed(seed)
        streams.append(draw(generator))
    assert streams[0] == streams[2] != streams[1]


def test_they_are_found_in_transforms_lists_and_dicts_once_each() -> None:
    """As deep as a dataset keeps them: dataset, composed transform, list, transform, generator."""
    one, two, three = np.random.default_rng(1), random.Random(2), torch.Generator()
    step = Box(rng=one)
    dataset = Box(transform=Box(transforms=[step, Box(options={"rng": two}), step]), generator=three, same=three)
    assert len(own_generators(dataset, dataset)) == 3


def test_the_global_ones_and_what_is_left_out_are_not_among_them() -> None:
    """They are taken care of already; a sampler's view of its dataset is the dataset's business."""
    dataset = Box(rng=np.random.default_rng(1))
    sampler = Box(data_source=dataset, python=random._inst, numpy=np.random.mtrand._rand, torch=torch.default_generator)  # type: ignore[attr-defined]
    assert own_generators(sampler, leave_out=[dataset]) == []
    assert len(own_generators(sampler)) == 1


def test_large_lists_modules_and_circles_are_not_walked() -> None:
    """A list of a million samples is data; whoever refers to itself ends."""
    circle = Box(samples=[Box(rng=random.Random(1))] * 1000, library=np, secret=random.SystemRandom())
    circle.me = circle
    assert own_generators(circle) == []


def test_the_order_is_fixed() -> None:
    """The n-th generator gets the n-th seed, in every process."""
    one, two = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2)
    found: list[Source] = own_generators(Box(b=two, a=one))
    assert [source.initial_seed() for source in found] == [1, 2]
    assert [source.initial_seed() for source in GLOBAL[:2]] == [None, None]
