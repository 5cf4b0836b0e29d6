"""Keras's `fit`, killed anywhere, ends bit for bit like one that never was."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from frameworks.keras_scenes import FITS, Moment, Scene, loader, own_dataset
from vm import KILLED, live

Fit = Callable[[Scene], dict[str, Any]]


@cache
def _unkilled(fit: Fit, folder: Path) -> Any:
    status, found = live(lambda: fit(Scene(store=folder / "store", remote=folder / "drive", every=1000)))
    assert status == 0
    return found


def _check(fit: Fit, folder: Path, deaths: Sequence[Moment], unkilled: Any, *, workers: Sequence[int] = (0,)) -> None:
    for life, death in enumerate([*deaths, None]):
        scene = Scene(
            store=folder / f"vm{life}", remote=folder / "drive", death=death, workers=workers[life % len(workers)]
        )
        status, found = live(partial(fit, scene))
        assert status == (0 if death is None else KILLED), f"life {life}, killed at {deaths}"
    assert found["end"] == unkilled["end"], f"killed at {deaths}"
    assert "first difference" not in found["replay"]


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.__name__)
def test_a_fit_that_is_killed_again_and_again_ends_like_one_that_never_was(fit: Fit, tmp_path: Path) -> None:
    """Weights, optimizer, metrics, History, callbacks, what they were called with, and the next random numbers."""
    unkilled = _unkilled(fit, tmp_path / "unkilled")
    choose = random.Random(fit.__name__)
    places = sorted(choose.sample(range(len(unkilled["moments"])), 4))
    _check(fit, tmp_path, [tuple(unkilled["moments"][place]) for place in places], unkilled)


@pytest.mark.slow
@pytest.mark.parametrize("fit", [own_dataset, loader], ids=lambda fit: fit.__name__)
def test_the_number_of_workers_may_change_from_life_to_life(fit: Fit, tmp_path: Path) -> None:
    """Chance hangs on the batch, and not on the process that makes it."""
    unkilled = _unkilled(fit, tmp_path / "unkilled")
    _check(fit, tmp_path, [("end", 3), ("epoch", 10)], unkilled, workers=[0, 2, 1])
