"""The picture of a metric."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.display.curve import HEIGHT, curve_svg
from colab_resume.status import Curve

Points = tuple[tuple[int, float], ...]


def lines(picture: str) -> list[list[tuple[float, float]]]:
    """The polylines in it, as points."""
    found = re.findall(r'points="([^"]*)"', picture)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in found]


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.floats()), max_size=30, unique_by=lambda point: point[0]).map(sorted),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    st.lists(st.integers(0, 10**9), max_size=3),
)
def test_any_curve_is_a_valid_picture_within_its_frame(
    points: list[tuple[int, float]], name: str, restarts: list[int]
) -> None:
    """Whatever was logged and however it is called."""
    picture = curve_svg(Curve(name=name, points=tuple(points), restarts=tuple(restarts)))
    assert bool(picture) == any(math.isfinite(value) for _, value in points)
    if picture:
        ElementTree.fromstring(picture)
        assert all(0 <= x <= 1000 and 0 <= y <= HEIGHT for line in lines(picture) for x, y in line)


def test_a_falling_loss_falls() -> None:
    """The greatest value is on top, the last step at the right edge."""
    (line,) = lines(curve_svg(Curve(name="loss", points=((1, 2.0), (5, 1.5), (11, 1.0)))))
    assert [x for x, _ in line] == [0.0, 400.0, 1000.0]
    assert [y for _, y in line] == sorted(y for _, y in line)


def test_a_gap_is_where_the_values_were_no_numbers() -> None:
    """It is said in words, too."""
    points: Points = ((1, 2.0), (2, 1.0), (3, math.nan), (4, math.inf), (5, 1.0))
    picture = curve_svg(Curve(name="loss", points=points))
    assert [len(line) for line in lines(picture)] == [2, 2]
    assert "2 values were no numbers" in picture


def test_restarts_are_marked_and_told() -> None:
    """Only those within the picture."""
    picture = curve_svg(Curve(name="loss", points=((0, 1.0), (100, 0.5)), restarts=(0, 40, 200)))
    assert picture.count('class="cr-restart"') == 1
    assert "restarts at step 40" in picture


@pytest.mark.parametrize(("least", "logarithmic"), [(0.5, False), (0.001, True), (-1.0, False), (0.0, False)])
def test_a_curve_over_many_decades_is_seen(least: float, logarithmic: bool) -> None:
    """On a logarithmic scale, which is said; zero and less have no place on one."""
    picture = curve_svg(Curve(name="loss", points=((0, 2.0), (1, least))))
    assert ("on a logarithmic scale" in picture) == logarithmic


def test_it_can_be_read_without_being_seen() -> None:
    """A picture has a role, a label and a title."""
    root = ElementTree.fromstring(curve_svg(Curve(name="loss", points=((1, 2.0), (9, 0.25)))))
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext("title")
    assert root.get("aria-label") == "loss from step 1 to 9: 2 at first, 0.25 now, between 0.25 and 2"
