"""The HTML of the panel: nothing gets in through a text, and no sign is a colour alone."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from display.panel_scene import LIVES, MOMENTS, NOW
from hypothesis import given
from hypothesis import strategies as st

from colab_resume.display.sections import curve_section, sections, timeline_section
from colab_resume.display.view import view
from colab_resume.status import Curve, Status

HOSTILE = """<img src=x onerror=alert(1)>"'</div><script>alert(2)</script>&lt;"""
TAGS = {
    "div",
    "span",
    "b",
    "i",
    "small",
    "svg",
    "title",
    "path",
    "polyline",
    "text",
    "style",
    "defs",
    "pattern",
    "rect",
    "line",
    "g",
}


class Reader(HTMLParser):
    """Every tag, and what is open at the end."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def every_section(status: Status) -> str:
    return (
        "".join(sections(view(status)).values())
        + curve_section(status.curve)
        + timeline_section(status.lives, status.at)
    )


@given(st.one_of(st.just(HOSTILE), st.text(max_size=40)))
def test_no_text_becomes_markup(text: str) -> None:
    """Names, errors and reasons come from folders that others can write to."""
    status = replace(
        MOMENTS["after a VM loss"](),
        run=text,
        session=text,
        place=text,
        happened=text or "-",
        advice=text,
        set_aside=(text,),
        changed=(text,),
        replay=text,
        proof=text,
        cadence=text,
        ended=text,
        remote_name=text,
        problems=(text, f"{text}\n  -> {text}"),
        lives=tuple(replace(life, session=text, machine=text, why=text) for life in LIVES),
        curve=Curve(name=text, points=((1, 1.0), (2, 2.0))),
    )
    read = Reader(every_section(status))
    assert read.tags <= TAGS
    assert read.open == []
    assert not {name for name in read.attributes if name.startswith("on")}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_is_marked_has_a_sign_beside_its_colour(moment: str) -> None:
    """Warnings have one, and the parts are as many at every moment, so that nothing changes its place."""
    status = MOMENTS[moment]()
    parts = sections(view(status))
    assert list(parts) == ["head", "story", "going", "stages", "facts", "problems"]
    assert all(parts.values())
    assert parts["problems"].count("<i>!</i>") == len(status.problems)
    assert ("cr-warn" in parts["problems"]) == bool(status.problems)


def test_a_curve_that_is_not_there_yet_has_its_place() -> None:
    """As high as the picture that will come."""
    assert 'style="height:120px"' in curve_section(None)
    assert 'height="120"' in curve_section(Curve(name="loss", points=((1, 1.0),)))


def test_the_first_session_has_no_timeline() -> None:
    """Later ones have."""
    assert timeline_section(LIVES[:1], NOW) == ""
    assert 'role="img"' in timeline_section(LIVES, NOW)
