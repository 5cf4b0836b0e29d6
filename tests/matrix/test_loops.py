"""Loops of every shape go on exactly, wherever they are killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from matrix.cell import Cell, check
from matrix.data import as_batch
from matrix.loops import LOOPS
from matrix.scene import CADENCES, Moment, Scene


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_goes_on_exactly(loop: str, folder: Path) -> None:
    """Killed twice anywhere, it ends like one that never was."""
    check(Cell(loop=loop), folder)


@pytest.mark.slow
@pytest.mark.parametrize("cadence", CADENCES)
def test_lost_steps_run_again_exactly(cadence: str, folder: Path) -> None:
    """However seldom is saved: the steps since then are repeated, and nothing is counted twice."""
    check(Cell(cadence=cadence, kills=3), folder)


@pytest.mark.parametrize(
    ("death", "restored"),
    [
        (("epoch begins", 6), 6),
        (("before", 8), 8),
        (("after", 10), 10),
        (("validating", 12), 11),
        (("validating", 18), 17),
    ],
    ids=str,
)
def test_no_place_in_the_loop_is_a_bad_one_to_die(death: Moment, restored: int, folder: Path) -> None:
    """Before the batches, before and after a step, in a validation, and in the last one: little is lost."""
    assert check(Cell(), folder, deaths=[death]) == restored


def test_what_nobody_tracks_is_noticed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The matrix can fail: a mean that is kept in a plain variable begins anew in each life."""

    def forgetful(scene: Scene) -> dict[str, Any]:
        run, parts, source = scene.run, scene.parts(), scene.source()
        mean = torch.zeros(3)
        for _ in run.epochs(2):
            for batch in run.batches(source()):
                mean = 0.9 * mean + as_batch(batch)[0].mean(0)
                scene.step(parts, batch, lambda x, y, mean=mean: parts.step(x + mean, y))
        return parts.compared

    monkeypatch.setitem(LOOPS, "forgetful", forgetful)
    with pytest.raises(AssertionError, match="killed at"):
        check(Cell(loop="forgetful"), folder, deaths=[("before", 8)])
