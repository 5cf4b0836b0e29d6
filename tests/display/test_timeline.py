"""The timeline: a picture that says all it shows in words, too, and in which nothing is too small or in the way."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from colab_resume.display.layout import rows_of
from colab_resume.display.timeline import timeline_svg
from colab_resume.sessions.identity import Ending
from colab_resume.status import Life

BEGAN = 1_795_183_331.0  # 2026-11-20 14:02:11 UTC
SVG = "{http://www.w3.org/2000/svg}"


def life(begin: float, seconds: float, ended: Ending | None = None, *, lost: int = 0, lives: bool = False) -> Life:
    return Life(
        session="k3f9a2",
        began=BEGAN + begin,
        last_sign=BEGAN + begin + seconds,
        ended=ended or "",
        lives=lives,
        machine="Google Colab, T4",
        last_step=1265,
        lost_steps=lost,
        lost_seconds=lost * 1.5,
        saves=12,
        saving_seconds=8.0,
        why="new VM after silence",
    )


# Ten minutes each, around three days.
STORY = [
    life(0, 600, "interrupted", lost=25),
    life(900, 700, lost=100),
    life(900 + 700 + 3 * 86400, 640, "failed", lost=10),
    life(900 + 700 + 3 * 86400 + 660, 500, lives=True),
]
NOW = STORY[-1].last_sign
MANY = [life(9000 * n, 600 + 700 * (n % 9), ("interrupted", None, "failed")[n % 3], lost=n % 2) for n in range(100)]


def drawn(lives: Sequence[Life], now: float = NOW) -> ElementTree.Element:
    return ElementTree.fromstring(timeline_svg(lives, now=now, zone=UTC))


def texts(picture: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in picture.iter(f"{SVG}text")]


def test_the_whole_picture_is_said_in_words() -> None:
    """For who cannot see it: how many sessions, what there was of what, how the last one is."""
    picture = drawn(STORY)
    told = (
        "4 sessions over time: training, 41 min; saving 48 times, 32.0 s; lost, 135 steps, 3 min 22 s; "
        "silence, 3 days; the last one lives."
    )
    assert (picture.get("role"), picture.get("aria-label"), picture.findtext(f"{SVG}title")) == ("img", told, told)


def test_the_legend_names_what_occurs_and_no_more() -> None:
    """Each stretch with its amount, each kind of end with its mark."""
    assert texts(drawn(STORY))[-8:] == [
        "training, 41 min",
        "saving 48 times, 32.0 s",
        "lost, 135 steps, 3 min 22 s",
        "silence, 3 days",
        "lives",
        "stopped by the user",
        "failed",
        "went silent",
    ]
    quiet = replace(life(0, 300, "clean"), saves=0, saving_seconds=0.0)
    assert texts(drawn([quiet], quiet.last_sign + 9000)) == ["14:07", "Nov 20, 14:02", "training, 5 min", "finished"]


def test_a_pointer_reads_each_session() -> None:
    """When, how long, where, why, from which step to which, what was lost, how it ended."""
    titles = [title.text for title in drawn(STORY).iter(f"{SVG}title")][1:]
    assert titles[1] == (
        "session k3f9a2, Nov 20, 14:17, 12 min; Google Colab, T4; began by: new VM after silence; steps 0 to 1265; "
        "lost 100 steps = 2 min 30 s; went silent"
    )
    assert len(titles) == 4


def test_a_long_silence_is_broken_and_says_how_long() -> None:
    """Ten minutes stay visible beside three days; five minutes of silence are to scale."""
    (row,) = rows_of(STORY, NOW)
    assert [piece.broken for piece in row.pieces] == [False, False, False, True, False, False, False]
    assert texts(drawn(STORY))[0] == "3 days"
    widths = [piece.width for piece in row.pieces]
    assert widths[1] / widths[0] == pytest.approx(300 / 600)
    assert min(widths[0::2]) > 15


def test_silence_goes_on_until_now_unless_the_run_is_over() -> None:
    """After a clean end nobody is missed, and who lives is not silent."""
    assert len(rows_of([life(0, 600)], BEGAN + 1000)[0].pieces) == 2
    assert len(rows_of([life(0, 600, "clean")], BEGAN + 1000)[0].pieces) == 1
    assert len(rows_of([life(0, 600, lives=True)], BEGAN + 1000)[0].pieces) == 1


def test_many_sessions_go_on_in_further_rows() -> None:
    """A hundred are five rows of twenty, and each is a bar of its own."""
    rows = rows_of(MANY, NOW)
    assert [sum(piece.life is not None for piece in row.pieces) for row in rows] == [20] * 5
    assert len(list(drawn(MANY).iter(f"{SVG}title"))) == 101
    assert len(timeline_svg(MANY, now=NOW)) < 150_000


def test_a_full_row_with_long_silences_has_room_for_all() -> None:
    """One long session, nineteen short ones, and only some of the silences between them are broken."""
    begins = [700 * n + 10**7 * min(n, 4) for n in range(20)]
    story = [life(0, 10**6), *(life(begin, 650) for begin in begins[1:])]
    (row,) = rows_of(story, BEGAN + begins[-1] + 700)
    assert sum(piece.broken for piece in row.pieces) == 4
    assert min(piece.width for piece in row.pieces if piece.life) >= 2.19
    assert sum(piece.width for piece in row.pieces) == pytest.approx(100)


def test_what_was_lost_is_seen_however_little_it_was() -> None:
    """A step of a day is no thinner than 3 px where the picture is at its narrowest."""
    rects = list(drawn([replace(life(0, 86400), lost_steps=1, lost_seconds=0.01)], BEGAN + 86400).iter(f"{SVG}rect"))
    (lost,) = [rect for rect in rects if (rect.get("fill") or "").startswith("url(") and rect.get("x") != "-8"]
    assert float((lost.get("width") or "")[:-1]) * 4 == pytest.approx(3, abs=0.01)


def test_nobody_yet_is_said() -> None:
    """An empty picture would look like a mistake."""
    assert texts(drawn([])) == ["no session has worked on this run"]


def test_what_records_say_cannot_become_markup() -> None:
    """They come from a folder that others can write to."""
    evil = "</title><script>alert(1)</script>\x1b[0m\n\u202e\udcff&amp;\"'"
    one = replace(life(0, 600, lives=True), session=evil, machine=evil, why=evil)
    picture = timeline_svg([one], now=NOW)
    assert "<script" not in picture
    assert picture.isprintable()
    ElementTree.fromstring(picture)


def test_two_pictures_on_one_page_do_not_share_their_hatching() -> None:
    """A name that stands twice in a page means the first, which may be hidden."""
    names = [re.findall(r'pattern id="([\w-]+)"', timeline_svg(lives, now=NOW)) for lives in (STORY, MANY)]
    assert names[0] != names[1]
    assert f"url(#{names[0][0]})" in timeline_svg(STORY, now=NOW)


TIMES = st.floats(0, 253402300799)


@st.composite
def any_life(draw: st.DrawFn) -> Life:
    began, last_sign = sorted((draw(TIMES), draw(TIMES)))
    return Life(
        session="aaaaaa",
        began=began,
        last_sign=draw(st.sampled_from([began, last_sign, min(last_sign, began + 60)])),
        ended=draw(st.sampled_from(["", *get_args(Ending)])),
        lives=draw(st.booleans()),
        lost_steps=draw(st.integers(0, 2**63)),
        lost_seconds=draw(st.floats(0, 1e30)),
        saves=draw(st.integers(0, 2**63)),
        saving_seconds=draw(st.floats(0, 1e12)),
    )


@given(lives=st.lists(any_life(), max_size=45), now=TIMES)
@example(lives=[Life(session="a", began=0.0, last_sign=0.0), Life(session="b", began=0.0, last_sign=2.2e-308)], now=0.0)
def test_everything_fits_and_nothing_is_too_small(lives: list[Life], now: float) -> None:
    """Whatever the clocks say: each row is filled, each session at least 8 px at 400, and the picture is one."""
    rows = rows_of(lives, now)
    assert [piece.life for row in rows for piece in row.pieces if piece.life] == lives
    for row in rows:
        edge = 0.0
        for piece in row.pieces:
            assert piece.left == pytest.approx(edge, abs=1e-6)
            assert piece.width >= (2.0 if piece.life else 1.0)
            edge += piece.width
        assert edge == pytest.approx(100)
    boxes = [rect for rect in drawn(lives, now).iter(f"{SVG}rect") if (rect.get("x") or "").endswith("%")]
    for box in boxes:
        assert 0 <= float((box.get("x") or "")[:-1]) <= 100.001
        assert box.get("width") != "0.000%" or lives


# --- as a browser draws it

MEASURE = """
const pictures = [...document.querySelectorAll('.cr-lives')];
const boxes = pictures.flatMap((picture, of) => [...picture.querySelectorAll('text')].map(text => {
  const box = text.getBoundingClientRect(), edge = picture.getBoundingClientRect();
  return {text: text.textContent, left: box.left - edge.left, right: box.right - edge.left, top: box.top,
    bottom: box.bottom, wide: edge.width, of};
}));
document.body.textContent = JSON.stringify(boxes);
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium here")
def test_no_label_is_in_the_way_of_another(tmp_path: Path) -> None:
    """At 640 and at 400 px, in Chromium: no two texts overlap, and none is cut off at the edge."""
    twenty = [replace(one, ended="exited") for one in MANY[:20]]
    sparse = [life(90_000 * n * n, 600, "exited", lost=9999) for n in range(9)]
    body = "".join(
        f'<div style="width:{width}px">{timeline_svg(lives, now=lives[-1].last_sign + after, zone=UTC)}</div>'
        for width in (640, 400)
        for lives, after in ((STORY, 0), (MANY, 5000), (twenty, 90_000), (sparse, 10), (sparse[:2], 10**6))
    )
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{body}<script>{MEASURE}</script>", encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(["chromium", *options, page.as_uri()], capture_output=True, text=True, check=True, timeout=60)
    boxes = json.loads(re.sub(r"<[^>]*>", "", done.stdout[done.stdout.index("<body") :]))
    assert {box["wide"] for box in boxes} == {640, 400}
    for number, one in enumerate(boxes):
        assert one["left"] >= -0.5, one
        assert one["right"] <= one["wide"] + 0.5, one
        for other in boxes[number + 1 :]:
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            # Lines of text may share the room above capitals and below the base.
            below = one["bottom"] <= other["top"] + 4 or other["bottom"] <= one["top"] + 4
            assert beside or below or one["of"] != other["of"], (one, other)
