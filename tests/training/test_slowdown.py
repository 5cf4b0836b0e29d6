"""Steps that take longer beside a save are noticed, and noise alone costs nothing."""

from __future__ import annotations

import random

import pytest

from colab_resume.training.slowdown import Slowdown


def test_what_steps_take_longer_beside_a_save_is_its_cost() -> None:
    """Three steps of 1.5 s instead of 1 s: one and a half seconds."""
    slowdown = Slowdown()
    for _ in range(10):
        slowdown.note(1.0, disturbed=False)
    for _ in range(3):
        slowdown.note(1.5, disturbed=True)
    assert slowdown.settle() == pytest.approx(1.5)
    assert (slowdown.settle(), slowdown.seconds) == (0.0, pytest.approx(1.5))


def test_noise_alone_adds_up_to_next_to_nothing() -> None:
    """Short steps pay back what long ones have cost."""
    choose = random.Random(1)
    slowdown = Slowdown()
    for number in range(2000):
        slowdown.note(choose.uniform(0.8, 1.2), disturbed=number % 2 == 1)
    assert slowdown.settle() < 0.02 * 1000


def test_before_an_undisturbed_step_nothing_is_known() -> None:
    """The first checkpoint is made at once, so the first steps have nothing to be held against."""
    slowdown = Slowdown()
    slowdown.note(9.0, disturbed=True)
    assert slowdown.settle() == 0.0
