"""Loops that are over: how the generators stood then, and which of those that were left are over."""

from __future__ import annotations

import random
import sys

import pytest

from colab_resume.training.chance import Chance
from colab_resume.training.ended import Ended
from colab_resume.training.tracking import Tracking

__all__: list[str] = []


@pytest.fixture
def ended() -> Ended:
    return Ended(Chance(Tracking()))


def test_whoever_is_led_past_a_loop_draws_what_was_drawn_behind_it(ended: Ended) -> None:
    """Also in another process, which has the state alone."""
    ended.ends("first")
    drawn = random.random()
    again = Ended(Chance(Tracking()))
    again.reset(ended.state())
    again.pass_by("another one")
    assert random.random() != drawn
    again.pass_by("first")
    assert random.random() == drawn


def test_the_newest_ends_are_remembered(ended: Ended) -> None:
    """So a checkpoint does not grow with the number of loops."""
    for number in range(20):
        ended.ends(f"loop {number}")
    ended.ends("loop 7")
    assert list(ended.state()) == [f"loop {number}" for number in (*range(4, 7), *range(8, 20), 7)]


def test_a_loop_that_was_left_is_over_when_the_code_goes_on(ended: Ended) -> None:
    """Once; and not if it was an exception that has left it in this cell."""
    ended.left("by break")
    ended.cell_begins()
    ended.left("by an exception")
    ended.failed()
    assert ended.gone_on() == ["by break"]
    assert list(ended.state()) == ["by break"]
    assert ended.gone_on() == []


def test_at_the_bare_prompt_nobody_knows_how_a_loop_was_left(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is a program of its own there."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)  # another test may have made a shell
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    ended.left("somehow")
    assert ended.gone_on() == []
