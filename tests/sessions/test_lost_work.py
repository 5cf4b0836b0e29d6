"""What was lost, and how often the run restarted, are numbers that follow from the records alone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.sessions.history import LostWork, Summary, clock_problem, lost_work, mean_life, next_number, summary
from colab_resume.sessions.identity import Ending, SessionRecord


def session(
    name: str, *, begun: float, beat: float, step: int, restored: str | None = None, ended: Ending | None = None
) -> SessionRecord:
    return SessionRecord(
        id=name,
        host="vm",
        pid=1,
        boot_id=None,
        started=begun,
        heartbeat=beat,
        step=step,
        ended=ended,
        restored=restored,
        versions={},
    )


# 1000 steps in 1000 s; then from 900 on, 400 steps in 800 s; then from 1240 on, 60 steps in 90 s.
FIRST = session("aaaaaa", begun=1000, beat=2000, step=1000)
SECOND = session("bbbbbb", begun=3000, beat=3800, step=1300, restored="0000000900-aaaaaa")
THIRD = session("cccccc", begun=5000, beat=5090, step=1300, restored="0000001240-bbbbbb")
ALL = [FIRST, SECOND, THIRD]


def test_lost_work_is_what_the_last_session_did_after_the_checkpoint() -> None:
    """Steps are counted; seconds follow from that session's own pace; the silence begins at its last sign of life."""
    assert lost_work([FIRST], 975, now=9000) == LostWork(steps=25, seconds=25.0, silent_since=2000)
    assert lost_work(ALL, 1280, now=9000) == LostWork(steps=20, seconds=30.0, silent_since=5090)


def test_a_first_session_has_lost_nothing() -> None:
    """Without earlier sessions there is nothing to lose and nobody who went silent."""
    assert lost_work([], 0, now=9000) == LostWork(steps=0, seconds=0.0, silent_since=None)
    assert summary([], 0, now=9000) == Summary(restarts=0, last_sign_of_life=None, gap=None, lived=0, lost=0)


def test_a_session_that_said_how_it_ended_did_not_go_silent() -> None:
    """Clean, interrupted, failed and exited are endings, whatever was lost."""
    for ended in ("clean", "interrupted", "failed", "exited"):
        record = session("aaaaaa", begun=1000, beat=2000, step=1000, ended=ended)
        assert lost_work([record], 1000, now=9000) == LostWork(steps=0, seconds=0.0, silent_since=None)


def test_a_checkpoint_newer_than_the_last_heartbeat_loses_nothing() -> None:
    """Heartbeats lag behind checkpoints; lost steps are never negative."""
    assert lost_work([FIRST], 1010, now=9000).steps == 0


def test_an_unknown_pace_is_not_guessed() -> None:
    """A session that made no step after its start, or whose start is unknown, gives steps but no seconds."""
    idle = session("cccccc", begun=5000, beat=5090, step=1300, restored="0000001300-bbbbbb")
    assert lost_work([idle], 1240, now=9000) == LostWork(steps=60, seconds=None, silent_since=5090)
    odd = session("cccccc", begun=5000, beat=5090, step=1300, restored="best")
    assert lost_work([odd], 1240, now=9000).seconds is None
    assert lost_work([idle], 1300, now=9000).seconds == 0


def test_a_heartbeat_from_the_future_is_no_later_than_now() -> None:
    """Two machines' clocks differ; a gap is never negative."""
    assert lost_work([FIRST], 1000, now=1990).silent_since == 1990
    assert summary([FIRST], 1000, now=1990).gap == 0


def test_the_summary_adds_up_what_each_restart_lost() -> None:
    """100 steps at 1 s, 60 at 2 s and 20 at 1.5 s are 250 s lost of 1890 s lived, in 3 restarts."""
    assert summary(ALL, 1280, now=9000) == Summary(
        restarts=3, last_sign_of_life=5090, gap=3910, lived=1890, lost=100 + 120 + 30
    )


@given(order=st.sampled_from(list(itertools.permutations(ALL))))
def test_the_order_of_the_records_does_not_matter(order: list[SessionRecord]) -> None:
    """A remote lists files in any order."""
    assert lost_work(order, 1280, now=9000) == lost_work(ALL, 1280, now=9000)
    assert summary(order, 1280, now=9000) == summary(ALL, 1280, now=9000)


# --- how long sessions live


def lives(*ends: Ending | None, seconds: float = 1800) -> list[SessionRecord]:
    return [
        session(f"{n:06}", begun=5000 * n, beat=5000 * n + seconds, step=9, ended=end) for n, end in enumerate(ends)
    ]


def test_a_life_ends_when_nobody_wanted_it_to() -> None:
    """Silence and failure are ends; a session that was ended on purpose only adds the time it lived."""
    assert mean_life(lives(None)) == (1800 + 3600) / 2
    assert mean_life(lives("failed")) == (1800 + 3600) / 2
    for wanted in ("clean", "interrupted", "exited"):
        assert mean_life(lives(wanted)) == 1800 + 3600
    assert mean_life(lives(None, "clean", None, "interrupted")) == (4 * 1800 + 3600) / 3


def test_many_sessions_outweigh_what_was_supposed() -> None:
    """After a hundred lives of half an hour a session is known to live half an hour."""
    assert mean_life(lives(*[None] * 100)) == pytest.approx(1800, rel=0.02)


def test_a_session_without_a_step_says_nothing() -> None:
    """A cell that failed before the training began had nothing to lose."""
    idle = session("aaaaaa", begun=1000, beat=1005, step=900, restored="0000000900-bbbbbb", ended="failed")
    assert mean_life([]) is None
    assert mean_life([idle]) is None
    assert mean_life([idle, *lives(None)]) == mean_life(lives(None))


# --- how many there were, and whose clock is wrong


def test_a_session_knows_its_number_though_only_the_newest_are_read() -> None:
    """Those of before had none; of a run with a hundred sessions the numbers of the newest tell how many there were."""
    assert next_number([]) == 1
    assert next_number(ALL) == 4
    known = [replace(record, number=98 + n) for n, record in enumerate(ALL)]
    assert next_number(known) == 101
    assert summary(known, 1280, now=9000).restarts == 100
    # One that died before it knew its number counts, too.
    assert next_number([known[0], replace(SECOND, number=0), known[2]]) == 101
    assert next_number([known[0], known[1], replace(THIRD, number=0)]) == 101


def test_a_clock_that_is_ahead_is_told_once_it_matters() -> None:
    """Two minutes are no reason; an hour is one, with who and when."""
    assert clock_problem([], now=1000) == ""
    assert clock_problem(ALL, now=5090 - 120) == ""
    line = clock_problem(ALL, now=5090 - 3600, zone=UTC)
    assert line.startswith(
        "session cccccc on vm gave a sign of life at 01:24:50, which is 1 h from now: one of the two"
    )
    far = replace(THIRD, heartbeat=253402300799.0)
    assert "9999-12-30," in clock_problem([far], now=5000, zone=UTC)
