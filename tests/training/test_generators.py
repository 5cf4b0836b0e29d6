"""Generators are found wherever samplers and datasets keep them, and all are used alike."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from colab_resume.training.data.generators import GLOBAL, Source, own_generators

rng = np.random.default_rng(0)
augment = types.ModuleType("augment")
augment.chance = random.Random(1)  # type: ignore[attr-defined]
augment.__file__ = __file__


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


class Sized(Box):
    def __len__(self) -> int:
        return 1


def draws() -> float:
    return float(rng.random())


def calls() -> list[float]:
    return [draws() for _ in range(2)]


def by_default(value: float, chance: Any = rng) -> float:
    return value + float(chance.random())


def named_in_a_module() -> float:
    return augment.chance.random()  # type: ignore[attr-defined, no-any-return]


def generated() -> Iterator[float]:
    yield draws()


def enclosing() -> Callable[[], float]:
    own = random.Random(2)
    return lambda: 1 + own.random()


class ByMethod:
    """Its methods name a global variable."""

    def __call__(self) -> float:
        return draws()

    @staticmethod
    def static() -> float:
        return draws()


class ByClass:
    rng = random.Random(3)


class ByProperty:
    @property
    def drawn(self) -> float:
        return draws()


@dataclasses.dataclass(slots=True)
class Slotted:
    chance: Any


@pytest.mark.parametrize(
    "owner",
    [
        draws,
        calls,
        by_default,
        named_in_a_module,
        enclosing(),
        partial(by_default, 1.0),
        partial(max, key=draws),
        ByMethod(),
        ByMethod().__call__,
        ByMethod.static,
        ByClass(),
        ByProperty(),
        Slotted(rng),
        Box(take=rng.random),
        random.Random(2).random,
        generated(),
        (draws() for _ in "ab"),
        map(calls, "ab"),
        torch.utils.data.Subset(
            torch.utils.data.ConcatDataset([Sized(transform=Box(transforms=[Box(lambd=calls)]))]), [0]
        ),  # type: ignore[arg-type, list-item]
    ],
    ids=lambda owner: getattr(owner, "__qualname__", type(owner).__qualname__),
)
def test_what_code_names_or_encloses_is_found(owner: Any) -> None:
    """Global variables, variables of modules, defaults, closures: wherever a function gets its generator from."""
    assert len(own_generators(owner)) == 1
    assert len(own_generators(Box(first=owner, second=owner))) == 1


def test_code_that_is_installed_is_not_looked_into() -> None:
    """It would lead into all of torch and numpy; what it keeps, it keeps in attributes."""
    installed = compile("lambda: rng.random()", "/usr/lib/python3/dist-packages/flips.py", "eval").co_consts[0]
    assert own_generators(types.FunctionType(installed, globals())) == []
    assert own_generators(np.pad, dataclasses.replace, random.Random.shuffle, torch.utils.data.default_collate) == []
    assert own_generators(torch.nn.Linear(1, 1), Box(library=np.random, kind=torch.nn.Linear)) == []


def test_a_generator_that_is_found_late_is_found_by_the_short_way() -> None:
    """The nearest come first, however deep another way would be."""
    deep: Any = Box(target=Box(rng=rng))
    target = deep.target
    for _ in range(10):
        deep = Box(inner=deep)
    assert len(own_generators(Box(a=deep, z=target))) == 1


def test_a_cell_without_a_value_yet_is_no_error() -> None:
    """A function may enclose what is assigned only later."""

    def draws_later() -> float:
        return float(later.random())

    assert own_generators(draws_later) == []
    later = rng
    assert len(own_generators(draws_later)) == 1


def test_a_notebook_is_the_users_own() -> None:
    """Its functions come from no file, and its classes from `__main__`."""
    code = """
import random
from colab_resume.training.data.generators import own_generators
own = random.Random(1)
class Flip:
    def __call__(self, x): return own.random()
flip = compile("lambda x: own.random()", "/tmp/ipykernel_7/1.py", "eval")
print(len(own_generators(Flip())), len(own_generators(eval(flip))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"]
