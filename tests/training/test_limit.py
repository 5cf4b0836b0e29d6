"""The end of a session that is known beforehand is said, and met with the newest state in safety."""

from __future__ import annotations

import pytest

from colab_resume.errors import UsageError
from colab_resume.saving import Options
from colab_resume.testing import ManualClock
from colab_resume.training.limit import SessionLimit

__all__: list[str] = []


def test_it_is_near_once_until_it_was_met() -> None:
    """At least two minutes before, and so much earlier that three uploads fit."""
    clock = ManualClock(1000.0)
    limit = SessionLimit(3600.0, began=1000.0, clock=clock)
    assert limit.left == 3600.0
    assert not limit.is_near(0.0)
    clock.advance(3600.0 - 121.0)
    assert not limit.is_near(0.0)
    assert limit.is_near(30.0)
    clock.advance(2.0)
    assert limit.is_near(0.0)
    limit.done()
    assert not limit.is_near(0.0)
    clock.advance(10_000.0)
    assert limit.left == 0.0


def test_it_is_told_each_time_once() -> None:
    """Half an hour and ten minutes before."""
    clock = ManualClock(0.0)
    limit = SessionLimit(7200.0, began=0.0, clock=clock)
    told = []
    for _ in range(240):
        clock.advance(30.0)
        if (left := limit.news()) is not None:
            told.append(left)
    assert told == [1800.0, 600.0]


def test_what_was_over_before_is_not_told() -> None:
    """A session that is set up when twenty minutes are left hears of ten."""
    clock = ManualClock(6000.0)
    limit = SessionLimit(7200.0, began=0.0, clock=clock)
    assert limit.news() is None
    clock.advance(601.0)
    assert limit.news() == 599.0
    assert limit.news() is None


def test_without_a_limit_nothing_is_near() -> None:
    """Nobody knows when it ends."""
    limit = SessionLimit(None, began=0.0, clock=ManualClock(1e9))
    assert limit.left is None
    assert not limit.is_near(1e9)
    assert limit.news() is None


@pytest.mark.parametrize(("given", "seconds"), [("12h", 43200.0), ("90 min", 5400.0), (60, 60.0), (None, None)])
def test_a_limit_is_written_as_people_do(given: str | int | None, seconds: float | None) -> None:
    """A bare number is one of seconds."""
    assert Options(session_limit=given).limit_seconds == seconds


@pytest.mark.parametrize("given", ["soon", "12", "3 epochs", 0, -1, True, ""])
def test_what_is_no_time_is_refused(given: object) -> None:
    """With examples."""
    with pytest.raises(UsageError, match="session_limit") as raised:
        Options(session_limit=given)  # type: ignore[arg-type]
    assert "12h" in raised.value.hint
