"""Average precision, counted by hand."""

from __future__ import annotations

import pytest
import torch
from detection.precision import average_precision

__all__: list[str] = []

LEFT, RIGHT, BETWEEN = [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0], [10.0, 0.0, 20.0, 10.0]


def picture(*boxes: tuple[list[float], int, float]) -> dict[str, torch.Tensor]:
    """Box, label and score of each."""
    corners, labels, scores = zip(*boxes, strict=True) if boxes else ((), (), ())
    return {
        "boxes": torch.tensor(corners).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "scores": torch.tensor(scores),
    }


BOTH = [picture((LEFT, 1, 1), (RIGHT, 1, 1))]


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        ([picture((LEFT, 1, 0.9), (RIGHT, 1, 0.8))], 1),
        ([picture()], 0),
        ([picture((LEFT, 2, 0.9), (RIGHT, 2, 0.8))], 0),
        ([picture((LEFT, 1, 0.9))], 51 / 101),
        ([picture((LEFT, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.7))], (51 + 50 * 2 / 3) / 101),
        ([picture((BETWEEN, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.7))], 2 / 3),
    ],
    ids=["both", "none", "wrong label", "one", "one of them twice", "one too many"],
)
def test_the_precision_is_the_area_under_the_curve(found: list[dict[str, torch.Tensor]], precision: float) -> None:
    """Read at 101 recalls; each target counts once, for the best box that finds it."""
    assert average_precision(found, BOTH, [1]) == pytest.approx(precision)


def test_pictures_are_ranked_together() -> None:
    """A sure mistake in one picture lowers the precision of what was found less surely in another."""
    true = [picture((LEFT, 1, 1)), picture((LEFT, 1, 1))]
    found = [picture((LEFT, 1, 0.8)), picture((RIGHT, 1, 0.9))]
    assert average_precision(found, true, [1]) == pytest.approx(0.5 * 51 / 101)


def test_labels_count_alike() -> None:
    """However many boxes there are of each."""
    true = [picture((LEFT, 1, 1), (RIGHT, 1, 1), (BETWEEN, 2, 1))]
    assert average_precision([picture((BETWEEN, 2, 0.9))], true, [1, 2]) == pytest.approx(0.5)
