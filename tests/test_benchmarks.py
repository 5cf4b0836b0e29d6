"""The benchmarks run; what they measure is not judged here, for no number is the same on two machines."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.chart import Chart, Line
from benchmarks.findings import Findings, Goal, Row, Sample, ratios
from benchmarks.report import Results
from benchmarks.settings import QUICK
from benchmarks.training import Training
from benchmarks.turns import Loop, extra, opened
from benchmarks.ways import LIGHTNING, NOTHING, OURS, TORCH_SAVE, WAYS, LeftOut

PROJECT = Path(__file__).parent.parent
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.slow
def test_a_quick_look_writes_a_page_and_the_same_numbers_as_json(tmp_path: Path) -> None:
    """`python -m benchmarks --quick --only ... --out DIR` leaves both files there, each with every row."""
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "boundary", "--out", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True)
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    page = (tmp_path / "benchmarks.md").read_text("utf-8")
    rows = results["sections"].pop("boundary")["rows"]
    assert rows
    assert not results["sections"]
    for row in rows:
        assert row["name"] in page
        assert row["group"] in page
        assert all(sample["low"] <= sample["median"] <= sample["high"] for sample in row["values"].values())


def test_one_section_can_be_measured_anew() -> None:
    """The page that is there is read, that section replaced, and nothing else touched."""
    before = Results.from_json((PROJECT / "benchmarks/results.json").read_text("utf-8"))
    assert Results.from_json(before.to_json()).to_markdown() == before.to_markdown()
    value = {"ms": Sample(median=1.0, low=1.0, high=1.0, n=1)}
    newer = replace(
        before, load=0.3, sections={"changed": Findings(rows=[Row(group="here", name="ours", values=value)])}
    )
    page = before.with_newer(newer).to_markdown()
    assert "Measured by itself" in page
    assert page.index("## What is written and sent") < page.index("## What a restart costs")
    assert before.sections["stall"] == before.with_newer(newer).sections["stall"]


@pytest.mark.parametrize("name", [NOTHING, TORCH_SAVE, OURS])
def test_a_way_is_timed_turn_by_turn_until_its_checkpoint_is_finished(name: str, tmp_path: Path) -> None:
    """A stretch with a checkpoint has the turns that were asked for, and leaves nothing going on behind it."""
    training = Training.of_megabytes(QUICK.sizes[0])
    with opened(WAYS[name], training, tmp_path / "loop") as saver:
        loop = Loop(saver, training)
        usual = loop.unsaved(2)
        turns = loop.saved(3)
        assert not saver.is_busy()
    assert len(turns) >= 3
    assert extra(turns, usual) >= 0
    assert all(turn.held <= turn.whole for turn in (*usual, *turns))
    assert not (tmp_path / "loop").exists()


def test_a_way_that_is_not_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missing silently, and nothing that is missing stops the rest."""
    for module in ("lightning", "lightning.pytorch", "lightning.pytorch.plugins", "lightning.pytorch.plugins.io"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LeftOut, match="lightning"), opened(WAYS[LIGHTNING], Training.of_tensors(2), tmp_path / "loop"):
        pass


@pytest.mark.parametrize(("measured", "reached"), [(0.5, True), (1.0, True), (1.001, False)])
def test_whether_a_goal_was_reached_is_computed(measured: float, reached: bool) -> None:
    """A goal holds what was measured against its limit."""
    assert Goal.at_most(1.0, measured, "as fast as others").reached is reached


def test_ratios_are_taken_between_measurements_that_were_made_side_by_side() -> None:
    """Each of ours is divided by its own neighbour; what took no time is no divisor."""
    found = ratios([1.0, 4.0, 9.0], [2.0, 2.0, 0.0])
    assert found is not None
    assert (found.low, found.high, found.n) == (0.5, 2.0, 2)
    assert ratios([1.0], [0.0]) is None


def test_a_page_says_what_was_left_out_and_which_goals_were_not_reached(tmp_path: Path) -> None:
    """Notes, goals and pictures of a section stand on the page, and the pictures lie where it points to."""
    chart = Chart(
        name="a-chart", title="A chart", across="x", up="y", lines=[Line(name="one", points=[(1, 1), (2, 2)])]
    )
    goals = [Goal.at_most(1.0, 0.5, "as small as this"), Goal.at_most(1.0, 1.5, "as small as that")]
    row = Row(group="all of them", name="one", values={"seconds": Sample.of([1.0, 2.0, 4.0])})
    found = Findings(rows=[row], goals=goals, notes=["something was left out: it is missing."], charts=[chart])
    results = Results(date="today", machine="this", load=0.0, settings=QUICK, sections={"stall": found})
    results.write(page=tmp_path / "page.md", data=tmp_path / "results.json")
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "something was left out: it is missing." in page
    assert "1 of 2 were reached" in page
    assert "| as small as this | 1 | 0.5 | yes |" in page
    assert "| as small as that | 1 | 1.5 | **no** |" in page
    assert "| one | 2 (1–4) |" in page
    assert "](page/a-chart.svg)" in page
    assert (tmp_path / "page/a-chart.svg").read_text("utf-8") == chart.to_svg()
    assert (
        json.loads((tmp_path / "results.json").read_text("utf-8"))["sections"]["stall"]["goals"][1]["reached"] is False
    )


@pytest.mark.parametrize("log", [False, True])
def test_a_chart_is_a_picture_with_every_line_and_its_name_inside_it(log: bool) -> None:
    """The SVG parses; lines, points and names lie in the picture; what is above another is drawn above it."""
    lines = [
        Line(name="this & that", points=[(1, 10.0), (10, 200.0)]),
        Line(name="ours", points=[(1, 1.0), (10, 2.0)], ours=True),
    ]
    chart = Chart(name="a-chart", title="<a title>", across="size", up="time", lines=lines, log=log)
    picture = ET.fromstring(chart.to_svg())
    high, low = (line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline"))
    assert float(high[1].split(",")[1]) < float(low[1].split(",")[1])
    for x, y in (point.split(",") for point in (*high, *low)):
        assert 0 < float(x) < float(picture.attrib["width"])
        assert 0 < float(y) < float(picture.attrib["height"])
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"this & that", "ours", "<a title>", "size", "time"} <= set(texts)


def test_what_cannot_be_drawn_on_a_logarithmic_axis_is_left_out() -> None:
    """A stall of nothing has no place there, and the other points stay where they are."""
    lines = [Line(name="one", points=[(1, 0.0), (2, 3.0), (4, 5.0)])]
    picture = ET.fromstring(Chart(name="a", title="a", across="x", up="y", lines=lines, log=True).to_svg())
    (line,) = picture.iter(f"{SVG}polyline")
    assert len(line.attrib["points"].split()) == 2
