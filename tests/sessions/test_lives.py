"""All sessions of a run, as the history and the timeline show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from colab_resume.sessions.history import summary
from colab_resume.sessions.identity import SessionRecord
from colab_resume.sessions.lives import lives
from colab_resume.status import Life

NOW = 9000.0


def session(name: str, *, begun: float, beat: float, step: int, **more: Any) -> SessionRecord:
    return SessionRecord(
        **{"id": name, "host": "vm", "pid": 1, "boot_id": None, "versions": {}, **more},
        started=begun,
        heartbeat=beat,
        step=step,
    )


# 1000 steps in 1000 s; then from 900 on, 400 steps in 800 s; then from 1240 on, 60 steps in 90 s.
FIRST = session("aaaaaa", begun=1000, beat=2000, step=1000, began_by="first start", saves=4, saving_seconds=2.5)
SECOND = session(
    "bbbbbb", begun=3000, beat=3800, step=1300, restored="0000000900-aaaaaa", place="Google Colab", gpu="Tesla T4"
)
THIRD = session("cccccc", begun=5000, beat=5090, step=1300, restored="0000001240-bbbbbb", ended="failed")
ALL = [THIRD, FIRST, SECOND]


def test_each_session_has_lost_what_the_next_one_makes_again() -> None:
    """In steps, and in seconds at its own pace; the last one loses what is behind the newest checkpoint."""
    found = lives(ALL, now=NOW, restorable=1280)
    assert [life.session for life in found] == ["aaaaaa", "bbbbbb", "cccccc"]
    assert [(life.lost_steps, life.lost_seconds) for life in found] == [(100, 100.0), (60, 120.0), (20, 30.0)]
    assert [(life.first_step, life.last_step) for life in found] == [(0, 1000), (900, 1300), (1240, 1300)]
    assert sum(life.lost_seconds for life in found) == summary(ALL, 1280, NOW).lost


def test_the_present_session_comes_last_and_lives() -> None:
    """Its own claim may be among the records; what it will lose nobody knows yet."""
    present = session("dddddd", begun=8000, beat=8900, step=1400, restored="0000001280-cccccc")
    found = lives([*ALL, replace(present, step=1290)], present, now=NOW)
    assert [life.session for life in found] == ["aaaaaa", "bbbbbb", "cccccc", "dddddd"]
    assert [life.lives for life in found] == [False, False, False, True]
    assert (found[-2].lost_steps, found[-1].lost_steps, found[-1].last_step) == (20, 0, 1400)
    assert not lives(ALL, present.end("clean", NOW), now=NOW)[-1].lives


def test_what_a_record_says_is_in_the_life() -> None:
    """When, where, why it began, what saving cost, how it ended."""
    first, second, third = lives(ALL, now=NOW, restorable=1300)
    assert first == Life(
        session="aaaaaa",
        began=1000,
        last_sign=2000,
        machine="vm",
        last_step=1000,
        lost_steps=100,
        lost_seconds=100.0,
        saves=4,
        saving_seconds=2.5,
        why="first start",
    )
    assert (second.machine, second.ended, third.ended, third.lives) == ("Google Colab, T4", "", "failed", False)


def test_a_session_that_gave_a_sign_of_life_just_now_may_live() -> None:
    """Looked at from elsewhere: no work of it is lost yet."""
    (life,) = lives([FIRST], now=2030, restorable=900)
    assert (life.lives, life.lost_steps) == (True, 0)
    (life,) = lives([FIRST], now=2200, restorable=900)
    assert (life.lives, life.lost_steps) == (False, 100)


def test_who_was_succeeded_does_not_live() -> None:
    """Killed a moment ago, and another one has begun since; who gave a sign of life after that was only taken over."""
    heir = session("bbbbbb", begun=2020, beat=2020, step=900, restored="0000000900-aaaaaa", number=2)
    assert [life.lives for life in lives([FIRST, heir], now=2060)] == [False, True]
    rival = replace(heir, started=1990.0)
    assert [life.lives for life in lives([FIRST, rival], now=2060)] == [True, True]


def test_a_session_that_ended_before_it_began_costs_nobody_anything() -> None:
    """It died while it looked for a checkpoint: how much the one before had lost, the one after tells."""
    stillborn = session("aabbcc", begun=2500, beat=2500, step=0)
    found = lives([FIRST, stillborn, SECOND], now=NOW, restorable=1300)
    assert [(life.lost_steps, life.first_step, life.last_step) for life in found] == [
        (100, 0, 1000),
        (0, 0, 0),
        (0, 900, 1300),
    ]
    # One that knew its number had looked, and found nothing.
    begun = replace(stillborn, number=2)
    assert [life.lost_steps for life in lives([FIRST, begun, SECOND], now=NOW, restorable=1300)] == [1000, 0, 0]


def test_nothing_is_known_of_nobody() -> None:
    """An empty run has no lives."""
    assert lives([], now=NOW) == ()


@given(
    chain=st.lists(st.tuples(st.floats(0, 2e11), st.floats(0, 1e6), st.integers(0, 2**62)), max_size=6),
    names=st.lists(st.sampled_from([None, "best", "0000000005-aaaaaa"]), min_size=6, max_size=6),
    now=st.floats(0, 2e11),
    restorable=st.integers(0, 2**62),
)
def test_no_records_give_negative_losses(
    chain: list[tuple[float, float, int]], names: list[str | None], now: float, restorable: int
) -> None:
    """Whatever clocks and steps say, lives are in order, and losses are no less than nothing."""
    records = [
        session(f"{number:06}", begun=begun, beat=begun + lived, step=step, restored=restored)
        for number, ((begun, lived, step), restored) in enumerate(zip(chain, names, strict=False))
    ]
    found = lives(records, now=now, restorable=restorable)
    assert [life.began for life in found] == sorted(life.began for life in found)
    assert all(life.lost_steps >= 0 and life.lost_seconds >= 0 and life.last_sign >= life.began for life in found)
