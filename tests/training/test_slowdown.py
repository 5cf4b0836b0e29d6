"""Steps that take longer beside a save are noticed, and noise alone costs nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.training.slowdown import Slowdown


def after(undisturbed: Iterable[float]) -> Slowdown:
    """One that has seen these steps without a save beside them."""
    slowdown = Slowdown()
    for seconds in undisturbed:
        slowdown.note(seconds, busy=False)
    return slowdown


def test_what_steps_take_longer_beside_a_save_is_its_cost() -> None:
    """Three steps of 1.5 s instead of 1 s: one and a half seconds, and asked for once."""
    slowdown = after([1.0] * 10)
    for _ in range(3):
        slowdown.note(1.5, busy=True)
    assert slowdown.settle() == pytest.approx(1.5)
    assert (slowdown.settle(), slowdown.seconds) == (0.0, pytest.approx(1.5))


def test_a_save_that_is_over_before_its_step_is_has_slowed_that_step() -> None:
    """A small state is written within one step; that step is on the bill, and no measure for others."""
    slowdown = after([1.0] * 10)
    for _ in range(40):
        slowdown.save_begins()
        slowdown.note(1.2, busy=False)
        assert slowdown.settle() == pytest.approx(0.2)
        slowdown.note(1.0, busy=False)
    assert slowdown.settle() == 0.0


def test_the_step_in_which_a_save_ends_is_one_beside_it() -> None:
    """That nothing is under way at its end does not make a step that was slow for its most part a usual one."""
    slowdown = after([1.0] * 10)
    for busy in (True, True, False, False):
        slowdown.note(1.5 if slowdown._begun or busy else 1.0, busy=busy)
    assert slowdown.settle() == pytest.approx(1.5)


@pytest.mark.parametrize("tail", [0.0, 0.02])
@pytest.mark.parametrize("beside", [1, 10])
def test_noise_alone_adds_up_to_next_to_nothing(tail: float, beside: int) -> None:
    """Short steps pay back what long ones have cost, also where one of fifty takes ten times as long."""
    choose = random.Random(1)
    slowdown, whole, bills = Slowdown(), 0.0, 0.0
    for number in range(20_000):
        seconds = choose.uniform(0.8, 1.2) * (10 if choose.random() < tail else 1)
        whole += seconds
        slowdown.note(seconds, busy=number % (4 * beside) >= 3 * beside)
        if number % (4 * beside) == 0:
            bills += slowdown.settle()
    assert bills == pytest.approx(slowdown.seconds)
    assert bills < 0.01 * whole


@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_a_slowdown_amid_noise_is_billed_as_what_it_is(share: float) -> None:
    """In the long run the bills are what saving has cost, be the steps as uneven as they may."""
    choose = random.Random(2)
    slowdown, cost = Slowdown(), 0.0
    for number in range(20_000):
        seconds, busy = choose.lognormvariate(0, 0.2) * (8 if choose.random() < 0.01 else 1), number % 40 >= 30
        extra = share * choose.uniform(0.5, 1.5) * busy
        cost += extra
        slowdown.note(seconds + extra, busy=busy)
        if number % 40 == 0:
            slowdown.settle()
    assert slowdown.seconds == pytest.approx(cost, rel=0.15)


def test_a_cost_that_only_one_of_many_steps_bears_is_billed() -> None:
    """Of twenty steps beside a save the first one is half as long again, whenever there is a save: that is its cost."""
    slowdown = after([1.0] * 50)
    for _ in range(10):
        for number in range(20):
            slowdown.note(1.5 if number == 0 else 1.0, busy=True)
        assert slowdown.settle() == pytest.approx(0.5)


@pytest.mark.parametrize("busy", [True, False])
def test_a_validation_inside_a_step_is_nobodys_cost(busy: bool) -> None:
    """A minute beside a save or without one neither costs the save a minute nor makes usual steps look long."""
    slowdown = after([1.0] * 30)
    slowdown.note(60.0, busy=busy)
    for _ in range(30):
        slowdown.note(1.0, busy=False)
    assert slowdown.settle() < 2.5
    slowdown.note(1.5, busy=True)
    assert slowdown.settle() == pytest.approx(0.5, abs=0.1)


def test_a_save_that_takes_many_short_steps_time_is_billed_for_it() -> None:
    """Where a step takes a millisecond, one of twenty beside a save is no validation."""
    slowdown = after([0.001] * 30)
    slowdown.note(0.02, busy=True)
    assert slowdown.settle() == pytest.approx(0.019)


@given(speed=st.floats(0.5, 2.0))
def test_a_training_that_gets_slower_by_itself_costs_nothing(speed: float) -> None:
    """Sequences grow, a curriculum gets harder: what a step usually takes follows."""
    slowdown, seconds, whole = Slowdown(), 1.0, 0.0
    for number in range(2000):
        seconds *= speed ** (1 / 2000)
        whole += seconds
        slowdown.note(seconds, busy=number % 20 >= 15)
        if number % 20 == 0:
            slowdown.settle()
    assert slowdown.seconds < 0.01 * whole


def test_before_a_few_undisturbed_steps_nothing_is_known() -> None:
    """The first checkpoint is made at once, so the first steps, which compile, have nothing to be held against."""
    slowdown = Slowdown()
    slowdown.note(9.0, busy=True)
    slowdown.note(9.0, busy=False)
    slowdown.note(1.0, busy=False)
    slowdown.note(2.0, busy=True)
    assert slowdown.settle() == 0.0


def test_luck_is_not_saved_up() -> None:
    """However many steps beside saves were short, a save that does cost is billed after a few."""
    slowdown = after([1.0] * 50)
    for _ in range(1000):
        slowdown.note(0.5, busy=True)
        assert slowdown.settle() == 0.0
    bills = []
    for _ in range(10):
        slowdown.note(1.5, busy=True)
        bills.append(slowdown.settle())
    assert bills[-3:] == [pytest.approx(0.5)] * 3
