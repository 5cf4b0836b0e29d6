"""Two values have the same fingerprint if, and only if, they are the same to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from colab_resume.checking.fingerprint import fingerprint


@dataclass
class Point:
    x: float
    y: Any = None


NAN = float("nan")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.tensor([NAN]), torch.tensor([NAN])),
        (NAN, NAN),
        ({"a": [1, (2.5, None)]}, {"a": [1, (2.5, None)]}),
        (Point(1.0, torch.ones(2)), Point(1.0, torch.ones(2))),
        (torch.ones(3, 2).t(), torch.ones(2, 3)),
        ({1, 2, 3}, {3, 2, 1}),
        (torch.ones(2, requires_grad=True) * 2, torch.full((2,), 2.0)),
        (np.zeros((2, 0)), np.zeros((2, 0))),
        (object(), object()),
    ],
)
def test_the_same_bits_have_the_same_fingerprint(one: Any, other: Any) -> None:
    """It does not matter where they lie, nor what cannot be compared."""
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        (1, 1.0),
        (True, 1),
        ("1", 1),
        (torch.tensor(0.0), torch.tensor(-0.0)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (torch.zeros(2, 1), torch.zeros(1, 2)),
        (
            torch.tensor([0x7FC00000], dtype=torch.int32).view(torch.float32),
            torch.tensor([0x7FC00001], dtype=torch.int32).view(torch.float32),
        ),
        (np.float32(1), np.float64(1)),
        (np.array([1, 2]), np.array([2, 1])),
        (np.array([{}, 1], dtype=object), np.array([{}, 2], dtype=object)),
        ([1, 2], [2, 1]),
        ([[1], 2], [[1, 2]]),
        ({"a": 1}, {"b": 1}),
        (Point(1.0), Point(2.0)),
        (torch.zeros(1).to(torch.bfloat16), torch.ones(1).to(torch.bfloat16)),
        (
            torch.sparse_coo_tensor([[0]], [1.0], (2,), check_invariants=True),
            torch.sparse_coo_tensor([[1]], [1.0], (2,), check_invariants=True),
        ),
    ],
)
def test_other_bits_have_another_fingerprint(one: Any, other: Any) -> None:
    """Values, types, shapes and order all count."""
    assert fingerprint(one) != fingerprint(other)


def test_a_value_that_contains_itself_has_one_too() -> None:
    """Nothing that a step returns makes the check hang."""
    circle: list[Any] = [1]
    circle.append(circle)
    assert fingerprint(circle) == fingerprint(circle)
