"""Batches come as they would have come: any loader, any number of workers, any generator drawn from.

The number of workers is another one in each life, where the loader allows it.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix.cell import Cell, check
from matrix.data import CHANCE
from matrix.loaders import BOUND_TO_WORKERS, LOADERS, WITHOUT_WORKERS

_FREE = [name for name in LOADERS if name not in BOUND_TO_WORKERS | WITHOUT_WORKERS]


@pytest.fixture(autouse=True)
def _torchdata(request: pytest.FixtureRequest) -> None:
    if "StatefulDataLoader" in request.node.name:
        pytest.importorskip("torchdata")


@pytest.mark.slow
@pytest.mark.parametrize("loader", sorted(WITHOUT_WORKERS))
def test_data_without_workers_goes_on_exactly(loader: str, folder: Path) -> None:
    """Lists, generators and arrays are batches too."""
    check(Cell(loader=loader), folder)


@pytest.mark.slow
@pytest.mark.parametrize("loader", _FREE)
def test_a_loader_goes_on_exactly_with_another_number_of_workers(loader: str, folder: Path) -> None:
    """None in the first life, two in the second and one in the third."""
    check(Cell(loader=loader, workers=(0, 2, 1)), folder)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("loader", sorted(BOUND_TO_WORKERS))
def test_a_stream_goes_on_exactly_with_the_same_number_of_workers(loader: str, workers: int, folder: Path) -> None:
    """Its workers deal out the rows among themselves, so their number stays."""
    check(Cell(loader=loader, workers=(workers,), kills=1), folder)


@pytest.mark.slow
@pytest.mark.parametrize("chance", CHANCE)
def test_chance_goes_on_exactly(chance: str, folder: Path) -> None:
    """Drawn from in the dataset, there or in workers, and in the training's own step."""
    check(Cell(chance=chance, workers=(2, 0), kills=1), folder)
