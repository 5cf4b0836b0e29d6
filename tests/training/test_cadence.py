"""A checkpoint is due when the user asked for it, or when it is worth what it costs."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from colab_resume.errors import UsageError
from colab_resume.training.cadence import Auto, Cadence, Every, EverySeconds, EverySteps, parse_every


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def interval_after(stall: float, write: float, *, budget: float = 0.02, mttf: float = 3600.0) -> float:
    cadence = Cadence(budget=budget, mttf=mttf, clock=Clock())
    cadence.saved(1, stall=stall, write=write)
    assert cadence.interval is not None
    return cadence.interval


@pytest.mark.parametrize(
    ("every", "meant"),
    [
        (None, Auto()),
        (500, EverySteps(500)),
        (1, EverySteps(1)),
        (500.0, EverySteps(500)),
        ("500", EverySteps(500)),
        ("500 steps", EverySteps(500)),
        ("1 step", EverySteps(1)),
        ("5min", EverySeconds(300)),
        ("5 min", EverySeconds(300)),
        (" 5 Minutes ", EverySeconds(300)),
        ("30s", EverySeconds(30)),
        ("90 seconds", EverySeconds(90)),
        ("1.5h", EverySeconds(5400)),
        ("2 hours", EverySeconds(7200)),
    ],
)
def test_every_is_read_as_people_write_it(every: int | str | float | None, meant: Every) -> None:
    """Steps as numbers, times with a unit, with or without a space."""
    assert parse_every(every) == meant


@pytest.mark.parametrize(
    "every",
    [
        *(0, -1, 0.0, 0.5, math.nan, math.inf, True, False, [], b"5min"),
        *("", " ", "0", "0 s", "-5 min", "+5", "five minutes", "min", "5 parsecs", "1.5 steps", "1.5", "5 min 3 s"),
        *("1e3", "nan", "inf s", ".5h", "5.", "1_000", "٥ min", "9" * 400 + " s", "5\x00min"),
    ],
)
def test_nonsense_is_refused_with_examples(every: int | str | float | None) -> None:
    """Whatever is neither a number of steps nor a time is refused, and the hint shows what is."""
    with pytest.raises(UsageError) as refused:
        Cadence(every)
    assert "'5 min'" in refused.value.hint


@pytest.mark.parametrize("budget", [0, -0.1, 0.51, 1, math.nan, math.inf])
def test_a_budget_that_is_no_share_is_refused(budget: float) -> None:
    """Saving cannot take nothing, and more than half of the time cannot be meant."""
    with pytest.raises(UsageError, match="budget"):
        Cadence(budget=budget)


@pytest.mark.parametrize("mttf", [0, -1, math.nan, math.inf])
def test_a_life_that_is_no_time_is_refused(mttf: float) -> None:
    """The mean life of a session is a time above 0."""
    with pytest.raises(UsageError, match="mttf"):
        Cadence(mttf=mttf)


def test_auto_saves_at_the_first_boundary() -> None:
    """Whether saving works, and what it costs, is known after one step and not after ten minutes."""
    cadence = Cadence(clock=Clock())
    assert cadence.due(1)
    cadence.saved(1, stall=0.01, write=1.0)
    assert not cadence.due(2)


@pytest.mark.parametrize(
    ("stall", "write", "seconds"),
    [
        (0.1, 1.0, math.sqrt(2 * 0.1 * 3600)),
        (0.01, 1.0, math.sqrt(2 * 0.01 * 3600)),
        (4.0, 1.0, 4.0 / 0.02),
        (0.1, 100.0, 120.0),
        (0.0, 0.0, 5.0),
        (0.001, 0.1, 5.0),
        (13.0, 1.0, 600.0),
        (0.1, 700.0, 600.0),
    ],
)
def test_the_interval_is_the_longest_of_three_within_bounds(stall: float, write: float, seconds: float) -> None:
    """Young's optimum, the budget, or a writer that must be free again; never under 5 s nor over 10 min."""
    assert interval_after(stall, write) == pytest.approx(seconds)


def test_a_stall_too_short_to_measure_is_not_free() -> None:
    """Where sessions live for days, a stall of 0 s would save for ever at the shortest interval."""
    assert interval_after(0.0, 0.0, mttf=1e5) == pytest.approx(math.sqrt(2 * 0.001 * 1e5))


@given(
    stall=st.floats(0, 12),
    write=st.floats(0, 100),
    budget=st.floats(0.001, 0.5),
    step=st.floats(0.01, 60),
)
def test_saving_stays_within_the_budget(stall: float, write: float, budget: float, step: float) -> None:
    """Unless the longest interval forces it, an hour of training spends no more on saving than was allowed."""
    assume(stall / budget <= 600)
    clock = Clock()
    cadence = Cadence(budget=budget, clock=clock)
    saves, steps, began = 0, 0, clock.now
    while clock.now < began + 3600:
        clock.now += step
        steps += 1
        if cadence.due(steps):
            saves += 1
            clock.now += stall + write
            cadence.saved(steps, stall=stall, write=write)
    elapsed = clock.now - began
    assert (saves - 1) * stall <= budget * elapsed * (1 + 1e-9)


@given(stall=st.floats(0.0001, 10), longer=st.floats(1, 10), life=st.floats(60, 1e5))
def test_dearer_saves_are_rarer_and_shorter_lives_save_more(stall: float, longer: float, life: float) -> None:
    """The interval grows with the stall and with the mean life of a session."""
    assert interval_after(stall * longer, 0, mttf=life) >= interval_after(stall, 0, mttf=life)
    assert interval_after(stall, 0, mttf=life * longer) >= interval_after(stall, 0, mttf=life)


def test_the_interval_runs_from_capture_to_capture() -> None:
    """The time that writing took in the background is part of the interval, not added to it."""
    clock = Clock()
    cadence = Cadence("60 s", clock=clock)
    assert not cadence.due(1)
    clock.now += 60
    assert cadence.due(2)
    clock.now += 1 + 20
    cadence.saved(2, stall=1.0, write=20.0)
    clock.now += 38
    assert not cadence.due(3)
    clock.now += 1
    assert cadence.due(4)


def test_seconds_count_from_the_first_boundary() -> None:
    """Half an hour between setup and training loses no work, so nothing is due at its end."""
    clock = Clock()
    cadence = Cadence("5 min", clock=clock)
    clock.now += 1800
    assert not cadence.due(1)
    clock.now += 300
    assert cadence.due(2)


def due_steps(cadence: Cadence, steps: range) -> list[int]:
    due = []
    for step in steps:
        if cadence.due(step):
            due.append(step)
            cadence.saved(step, stall=10.0, write=10.0)
    return due


def test_steps_are_multiples_whatever_the_restarts() -> None:
    """`every=500` saves at 500, 1000, 1500, also if the session began at 1240, and whatever it costs."""
    assert due_steps(Cadence(500, clock=Clock()), range(1, 1600)) == [500, 1000, 1500]
    assert due_steps(Cadence(500, clock=Clock()), range(1241, 2100)) == [1500, 2000]
    assert due_steps(Cadence(500, clock=Clock()), range(500, 1100)) == [500, 1000]
    assert due_steps(Cadence(1, clock=Clock()), range(5)) == [1, 2, 3, 4]


def test_a_multiple_that_has_no_boundary_is_caught_up() -> None:
    """With boundaries every 7 steps, the first one after a multiple of 10 is due, and the multiples do not drift."""
    assert due_steps(Cadence(10, clock=Clock()), range(7, 50, 7)) == [14, 21, 35, 42]


def test_it_stays_due_until_saved() -> None:
    """A boundary at which nothing could be captured does not cost a whole interval."""
    for cadence in (Cadence(clock=Clock()), Cadence(1, clock=Clock())):
        assert cadence.due(1)
        assert cadence.due(2)
        cadence.saved(2, stall=0.1, write=0.1)
        assert not cadence.due(2)


def test_one_slow_save_does_not_stretch_the_interval() -> None:
    """The median of three: a single outlier is forgotten, a lasting change is believed at the second time."""
    cadence = Cadence(clock=Clock())
    for stall in (0.1, 0.1, 8.0):
        cadence.saved(1, stall=stall, write=1.0)
    assert cadence.interval == pytest.approx(math.sqrt(2 * 0.1 * 3600))
    cadence.saved(1, stall=8.0, write=1.0)
    assert cadence.interval == pytest.approx(400)


@pytest.mark.parametrize(
    ("stall", "write", "reason"),
    [
        (0.1, 1.0, "every 26.8 s: sessions live 60 min, and a save holds the loop for 0.1 s"),
        (4.0, 1.0, "every 200 s: saving may cost 2.00% of the time, and a save holds the loop for 4 s"),
        (0.1, 100.0, "every 120 s: writing takes 100 s, and a save holds the loop for 0.1 s"),
        (0.0, 0.0, "every 5 s: never more often; it costs 0.00% of the time"),
        (
            30.0,
            1.0,
            "every 600 s: never less often, though saving may cost 2.00% of the time; it costs 5.00% of the time",
        ),
    ],
)
def test_the_reason_says_what_decided(stall: float, write: float, reason: str) -> None:
    """Also that the budget does not hold where the longest interval wins."""
    cadence = Cadence(clock=Clock())
    assert cadence.reason == "at the first boundary: what saving costs is not measured yet"
    cadence.saved(1, stall=stall, write=write)
    assert cadence.reason == reason


def test_what_the_user_asked_for_is_shown_as_it_is() -> None:
    """An explicit `every` is not adapted to anything."""
    for cadence, interval, reason in (
        (Cadence(500), None, "every 500 steps, as asked"),
        (Cadence("1.5h"), 5400.0, "every 5400 s, as asked"),
    ):
        cadence.saved(1, stall=100.0, write=100.0)
        assert (cadence.interval, cadence.reason) == (interval, reason)


def test_one_more_save_out_of_turn_keeps_the_budget() -> None:
    """A save of 0.1 s at a budget of 2 % may come 5 s after the last one, whatever the interval; the first at once."""
    clock = Clock()
    for every in (None, 500, "10 h"):
        cadence = Cadence(every, clock=clock)
        assert cadence.can_afford_one_more()
        cadence.saved(1, stall=0.1, write=0.0)
        clock.now += 4.8
        assert not cadence.can_afford_one_more()
        clock.now += 0.2
        assert cadence.can_afford_one_more()
