"""A checkpoint is due when the user asked for it, or when it is worth what it costs."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from colab_resume.errors import UsageError
from colab_resume.training.cadence import Cadence
from colab_resume.training.every import Auto, Every, EveryEpochs, EverySeconds, EverySteps, parse_every
from colab_resume.training.slowdown import Slowdown


class Clock:
    """Stands still unless told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def interval_after(stall: float, write: float, *, budget: float = 0.02, mttf: float | None = None) -> float:
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
        ("1 epoch", EveryEpochs(1)),
        ("2 epochs", EveryEpochs(2)),
        (" 10 Epochs", EveryEpochs(10)),
    ],
)
def test_every_is_read_as_people_write_it(every: int | str | float | None, meant: Every) -> None:
    """Steps as numbers, epochs and times with a unit, with or without a space."""
    assert parse_every(every) == meant


@pytest.mark.parametrize(
    "every",
    [
        *(0, -1, 0.0, 0.5, math.nan, math.inf, True, False, [], b"5min"),
        *("", " ", "0", "0 s", "-5 min", "+5", "five minutes", "min", "5 parsecs", "1.5 steps", "1.5", "5 min 3 s"),
        *("0 epochs", "1.5 epochs", "-1 epoch", "epoch", "every epoch", "1 epock", "1 epoch 5 min", "9 e"),
        *("1e3", "nan", "inf s", ".5h", "5.", "1_000", "٥ min", "9" * 400 + " s", "5\x00min"),
    ],
)
def test_nonsense_is_refused_with_examples(every: int | str | float | None) -> None:
    """Whatever is no number of steps, epochs or a time is refused with the reason, and the hint shows what is."""
    with pytest.raises(UsageError, match=r"every=.*: .") as refused:
        Cadence(every)
    assert "'1 epoch', '30 s', '5 min'" in refused.value.hint


@pytest.mark.parametrize(
    ("every", "reason"),
    [
        ("1.5 epochs", "whole number of epochs"),
        ("1.5 steps", "whole number of steps"),
        ("0 epochs", "at least 1"),
        ("5 parsecs", "'parsecs' is not a unit"),
        ("every epoch", "not a number with a unit"),
        (True, "a bool says neither"),
    ],
)
def test_the_refusal_says_what_is_wrong(every: int | str | float | None, reason: str) -> None:
    """Not only that it is."""
    with pytest.raises(UsageError, match=reason):
        parse_every(every)


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


def test_a_dear_save_is_paid_for_by_eight_intervals() -> None:
    """A stall of 8 s among many of 0.1 s: the interval grows with the mean, and is what it was after eight more."""
    cadence = Cadence(clock=Clock())
    for stall in (*[0.1] * 7, 8.0):
        cadence.saved(1, stall=stall, write=1.0)
    assert cadence.interval == pytest.approx(math.sqrt(2 * (7 * 0.1 + 8) / 8 * 3600))
    for _ in range(8):
        cadence.saved(1, stall=0.1, write=1.0)
    assert cadence.interval == pytest.approx(math.sqrt(2 * 0.1 * 3600))


@pytest.mark.parametrize("which", ["write", "upload"])
def test_one_slow_answer_does_not_stretch_the_interval(which: str) -> None:
    """Writing and sending count with the median of three: an outlier is forgotten, a lasting change is believed."""
    cadence = Cadence(clock=Clock())
    for seconds in (1.0, 1.0, 90.0):
        cadence.saved(1, stall=0.01, write=seconds if which == "write" else 1.0)
        cadence.sent(seconds if which == "upload" else 1.0)
    assert cadence.interval == pytest.approx(math.sqrt(2 * 0.01 * 3600))
    cadence.saved(1, stall=0.01, write=90.0)
    cadence.sent(90.0)
    assert cadence.interval == pytest.approx(1.2 * 90)


def test_the_slowdown_is_paid_for_like_the_stall() -> None:
    """A save that holds the loop for a moment only, and then makes steps a second longer, costs a second."""
    clock = Clock()
    cadence = Cadence(clock=clock)
    cadence.saved(1, stall=0.01, write=1.0, slowed=3.99)
    assert cadence.interval == pytest.approx(4 / 0.02)
    clock.now += 198.9
    assert not cadence.due(2)
    clock.now += 0.2
    assert cadence.due(2)


@pytest.mark.parametrize(
    ("stall", "write", "reason"),
    [
        (0.1, 1.0, "every 26.8 s: sessions are taken to live 60 min, and a save costs 0.1 s"),
        (4.0, 1.0, "every 200 s: saving may cost 2.00% of the time, and a save costs 4 s"),
        (0.1, 100.0, "every 120 s: writing takes 100 s, and a save costs 0.1 s"),
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
        (Cadence("2 epochs"), None, "at the end of every 2 epochs, as asked"),
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


# --- epochs


def test_epochs_are_counted_from_the_first_of_the_run() -> None:
    """`every="2 epochs"` saves after the second, fourth, sixth, also if the session began in the third."""
    cadence = Cadence("2 epochs", clock=Clock())
    assert not cadence.due(1)
    assert [epoch for epoch in range(2, 8) if cadence.wants_end_of(epoch)] == [3, 5, 7]
    assert [epoch for epoch in range(3) if Cadence("1 epoch").wants_end_of(epoch)] == [0, 1, 2]
    assert not any(Cadence(every).wants_end_of(0) for every in (None, 1, "1 s"))


def test_the_end_of_an_epoch_stays_due_until_saved() -> None:
    """Where nothing could be captured at the end of an epoch, the next boundary is as good."""
    cadence = Cadence("1 epoch", clock=Clock())
    assert not cadence.due(9)
    cadence.owe()
    assert cadence.due(10)
    assert cadence.due(11)
    cadence.saved(11, stall=10.0, write=10.0)
    assert not cadence.due(12)


# --- the remote, and how long sessions live


@pytest.mark.parametrize(
    ("upload", "seconds", "reason"),
    [
        (10.0, math.sqrt(2 * 0.1 * 3600), "sessions are taken to live 60 min"),
        (50.0, 60.0, "every 60 s: sending takes 50 s, and a save costs 0.1 s"),
        (99.0, 118.8, "every 119 s: sending takes 99 s, and a save costs 0.1 s"),
        (900.0, 120.0, "every 120 s: sending takes 900 s, so not every one is sent, and a save costs 0.1 s"),
    ],
)
def test_a_checkpoint_waits_for_the_one_before_it_to_be_sent(upload: float, seconds: float, reason: str) -> None:
    """What a remote cannot take before the next one is there is worth little; but a kernel can crash at any time."""
    cadence = Cadence(clock=Clock())
    cadence.saved(1, stall=0.1, write=1.0)
    cadence.sent(upload)
    assert cadence.interval == pytest.approx(seconds)
    assert reason in cadence.reason


def test_a_measured_life_is_named_as_such() -> None:
    """The reason says whether the mean life of a session was seen or assumed."""
    cadence = Cadence(mttf=47 * 60, clock=Clock())
    cadence.saved(1, stall=0.1, write=1.0)
    assert cadence.reason == "every 23.7 s: sessions of this run live 47 min, and a save costs 0.1 s"


# --- in the long run


@dataclass(frozen=True, kw_only=True)
class Training:
    """Steps of so many seconds, give or take, some of them with a validation; saves that hold the loop for `stall`
    seconds, and then take `write` seconds, in which steps take longer by a share; saves are as uneven as that."""

    seed: int = 1
    seconds: float = 1.0
    noise: float = 0.0
    stall: float
    write: float = 1.0
    share: float = 0.0
    uneven: float = 0.0
    budget: float = 0.02

    def costs(self) -> tuple[float, float, str]:
        """What saving really costs in four hours, and what its dearest save does, as shares of them; the reason."""
        chance, clock, slowdown = random.Random(self.seed), Clock(), Slowdown()
        cadence = Cadence(budget=self.budget, clock=clock)
        spent = dearest = begun = stall = write = 0.0
        step, saving = 0, False
        while clock.now < 1000 + 4 * 3600:
            step += 1
            usual = self.seconds * chance.lognormvariate(0, self.noise)
            longer = usual * self.share * saving
            # A hiccup is no work that a save could slow.
            usual *= 20 if chance.random() < 0.002 else 1
            clock.now += usual + longer
            spent += longer
            over = clock.now >= begun + write
            slowdown.note(usual + longer, busy=saving and not over)
            if saving and over:
                cadence.saved(step, stall=stall, write=clock.now - begun, slowed=slowdown.settle())
                saving = False
            if not saving and cadence.due(step):
                factor = chance.lognormvariate(0, self.uneven)
                stall, write, saving = self.stall * factor, self.write * factor, True
                clock.now += stall
                spent, begun = spent + stall, clock.now
                dearest = max(dearest, stall + self.share * (write + usual))
                slowdown.save_begins()
        return spent / (clock.now - 1000), dearest / (clock.now - 1000), cadence.reason


@example(
    # Two slowed steps a save tell little of what it costs, among steps as noisy as these.
    Training(seed=308, seconds=4.0, noise=0.2890625, stall=0.79296875, write=7.75, share=0.2890625, budget=0.01)
)
@settings(max_examples=60)
@given(
    training=st.builds(
        Training,
        seed=st.integers(0, 10**6),
        seconds=st.floats(1, 5),
        noise=st.floats(0, 0.3),
        stall=st.floats(0, 2),
        write=st.floats(0, 20),
        share=st.floats(0, 1),
        uneven=st.floats(0, 1.5),
        budget=st.floats(0.01, 0.1),
    )
)
def test_what_saving_really_costs_stays_within_the_budget(training: Training) -> None:
    """Stall and slowdown together, with noisy steps and saves of uneven cost, unless the longest interval forces it."""
    cost, dearest, reason = training.costs()
    if "never less often" not in reason:
        # Before the first few saves nobody knows what they cost, and noisy steps tell it only by and by.
        assert cost <= 1.15 * training.budget + 4 * dearest


@pytest.mark.parametrize(
    "training",
    [
        Training(stall=1.0),
        Training(stall=1.0, uneven=1.5),
        Training(stall=0.01, write=4, share=0.5),
        Training(stall=0.01, write=0.3, share=0.5, seconds=1.0),
        Training(stall=0.01, write=4, share=0.5, noise=0.3),
    ],
)
def test_the_budget_is_kept_and_used(training: Training) -> None:
    """Where the budget decides, saving costs about what it may: no more, and not a fraction of it either."""
    cost, _, reason = training.costs()
    assert "saving may cost 2.00%" in reason or "sessions are taken" in reason
    assert cost <= 0.022
    assert cost > 0.005


def test_a_bound_that_breaks_the_budget_says_so() -> None:
    """A save every ten minutes that costs a minute is dearer than 2 %, and the reason tells it."""
    cost, _, reason = Training(stall=60.0).costs()
    assert cost > 0.05
    assert reason.endswith("though saving may cost 2.00% of the time; it costs 10.00% of the time")
