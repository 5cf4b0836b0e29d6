"""Bit for bit: a training that dies again and again, each time on a new VM, ends like one that never died."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trainings
from trainings import SHAPES, Scene
from vm import KILLED, die, live

Shape = Callable[[Scene], dict[str, Any]]


def _dies_at(step: int) -> Callable[[int], None]:
    return lambda now: die() if now == step else None


def _survive(shape: Shape, folder: Path, deaths: list[int], workers: list[int]) -> dict[str, Any]:
    """One life for each death, each on an empty disk, then the last one to the end."""
    for life, step in enumerate(deaths):
        scene = Scene(
            store=folder / f"vm{life}",
            remote=folder / "drive",
            workers=workers[life % len(workers)],
            at_step=_dies_at(step),
        )
        status, _ = live(lambda scene=scene: shape(scene))
        assert status == KILLED
    scene = Scene(store=folder / "last", remote=folder / "drive", workers=workers[-1])
    status, result = live(lambda: shape(scene))
    assert status == 0
    return result


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_training_that_dies_four_times_ends_like_one_that_never_did(shape: Shape, tmp_path: Path) -> None:
    """Weights, optimizer, metrics, and the numbers drawn next are the same."""
    status, expected = live(lambda: shape(Scene(store=tmp_path / "s", remote=tmp_path / "d", every=100)))
    assert status == 0
    assert _survive(shape, tmp_path, [2, 5, 6, 11], [0]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("shape", [trainings.plain, trainings.two_loaders], ids=lambda shape: shape.__name__)
def test_the_number_of_workers_may_change_from_life_to_life(shape: Shape, tmp_path: Path) -> None:
    """Randomness hangs on the batch, not on the worker that makes it."""
    status, expected = live(lambda: shape(Scene(store=tmp_path / "s", remote=tmp_path / "d", workers=1)))
    assert status == 0
    assert _survive(shape, tmp_path, [3, 8, 9], [2, 0, 1, 2]) == expected


def test_a_death_between_epochs_repeats_the_validation_and_not_the_training(tmp_path: Path) -> None:
    """Validation lies after the last boundary of its epoch, so it runs again, with the same result."""
    status, expected = live(lambda: trainings.plain(Scene(store=tmp_path / "s", remote=tmp_path / "d", every=100)))
    assert status == 0
    assert _survive(trainings.plain, tmp_path, [-5, -10, -15], [0]) == expected
