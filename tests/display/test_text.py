"""Lines for people."""

from __future__ import annotations

import pytest

from colab_resume.display.text import report, room_line
from colab_resume.status import Status

GB = 10**9


@pytest.mark.parametrize("room", [4 * GB, 5 * GB, 100 * GB])
def test_enough_space_is_not_worth_a_line(room: int) -> None:
    """Three that are kept and one on its way."""
    assert room_line(GB, room, 3) == ""


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (4 * GB - 1, "it keeps 2 of 3"),
        (2 * GB, "it keeps 1 of 3"),
        (2 * GB - 1, "one fits, and no newer one can take its place"),
        (GB, "one fits, and no newer one can take its place"),
        (GB - 1, "none fits, so they stay on this disk"),
        (0, "none fits, so they stay on this disk"),
    ],
)
def test_too_little_space_is_said_with_what_follows_from_it(room: int, words: str) -> None:
    """How much is needed, how much is there, how many are kept."""
    line = room_line(GB, room, 3)
    assert words in line
    assert "a checkpoint needs about 1.0 GB" in line


def test_a_state_without_tensors_needs_no_space() -> None:
    """Nothing is divided by nothing."""
    assert room_line(0, 0, 3) == ""


@pytest.mark.parametrize("restored", [None, 7])
def test_how_the_remote_proves_what_it_has_is_said_at_the_start(restored: int | None) -> None:
    """Where there is something to be said about it, and only there."""
    told = Status(run="digits", session="k3f9a2", restored=restored, proof="Drive tells the md5")
    assert report(told).splitlines()[-1].split() == ["proof", "Drive", "tells", "the", "md5"]
    assert "proof" not in report(Status(run="digits", session="k3f9a2", restored=restored))
