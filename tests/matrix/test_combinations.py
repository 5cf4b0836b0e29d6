"""Whole trainings put together by chance: what is exact alone must be exact in company.

There are 25 of them, always the same, each known by its number. For a long soak by hand set COLAB_RESUME_CELLS to a
larger number; those that fail print how they were put together and when they were killed, and
`check(Cell(...), folder)` does the same again.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from matrix.cell import Cell, check
from matrix.data import CHANCE
from matrix.loaders import BOUND_TO_WORKERS, LOADERS
from matrix.loops import LOOPS
from matrix.parts import PARTS
from matrix.scene import CADENCES, Moment

_CELLS = int(os.environ.get("COLAB_RESUME_CELLS", "25"))


def _draw(number: int) -> Cell:
    choose = random.Random(number)
    loader = choose.choice(list(LOADERS))
    workers = tuple(choose.choice((0, 0, 0, 1, 2)) for _ in range(1 if loader in BOUND_TO_WORKERS else 3))
    return Cell(
        loop=choose.choice(list(LOOPS)),
        loader=loader,
        chance=choose.choice(list(CHANCE)),
        parts=choose.choice(list(PARTS)),
        cadence=choose.choice(list(CADENCES)),
        workers=workers,
        kills=choose.randint(1, 3),
    )


_FOUND = [
    (Cell(loop="drawn once in an epoch"), ("before", 9)),
    (Cell(loop="drawn before all loops"), ("before", 0)),
    (Cell(loader="part of the rows"), ("before", 0)),
    (Cell(loader="sampler that counts passes"), ("before", 6)),
    (Cell(loader="iterable dataset with a state"), ("before", 6)),
    (Cell(loader="iterable dataset", chance="random.Random"), ("before", 7)),
    (Cell(loader="generator", chance="torch.Generator"), ("before", 7)),
    (Cell(loop="validated through the run", loader="sampler that counts passes"), ("validating", 9)),
    (Cell(loop="in turn", loader="iterable with a state"), ("before", 9)),
]
"""What such draws have found: a death in mid-epoch, before all steps, at the end of a pass, between loaders that look
alike."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "death"), _FOUND, ids=lambda value: value.name if isinstance(value, Cell) else str(value)
)
def test_what_chance_has_found_stays_exact(cell: Cell, death: Moment, folder: Path) -> None:
    """Cells that were not exact once, with the death that showed it."""
    check(cell, folder, deaths=[death])


@pytest.mark.slow
@pytest.mark.parametrize("number", range(_CELLS))
def test_a_training_put_together_by_chance_goes_on_exactly(number: int, folder: Path) -> None:
    """Loop, loader, chance, parts, cadence, workers of each life, and deaths: whatever comes."""
    pytest.importorskip("torchdata")
    check(_draw(number), folder)
