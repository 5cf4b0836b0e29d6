"""`history`: all sessions of a run, as lines, as JSON and as a picture."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from run_folders import manifests, own_pack, picture

from colab_resume.sessions.identity import SessionRecord

from .conftest import Call

BEGAN = 1_795_183_331.0  # 2026-11-20 14:02:11 UTC


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are local; here that is UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def session(name: str, begun: float, lived: float, step: int, **more: Any) -> SessionRecord:
    usual = {"host": "3f9c01", "pid": 17, "boot_id": None, "versions": {}, "place": "Google Colab", "gpu": "Tesla T4"}
    return SessionRecord(
        **{"id": name, **usual, **more}, started=BEGAN + begun, heartbeat=BEGAN + begun + lived, step=step
    )


ERROR = "ValueError: loss is nan (line 3 of the cell)"
ROWS = (
    ("aaaaaa", "2026-11-20 14:02", "first start", "Google Colab, T4"),
    ("bbbbbb", "2026-11-20 16:02", "new VM after silence", "Google Colab, T4"),
    ("cccccc", "2026-11-21 15:02", "other machine", "Jupyter, ada"),
)
# The newest checkpoint of the run is that of step 12.
STORY = (
    session("aaaaaa", 0, 3600, 10, began_by=ROWS[0][2], saves=4, saving_seconds=9.5),
    session("bbbbbb", 7200, 600, 14, began_by=ROWS[1][2], restored="0000000008-aaaaaa", ended="interrupted"),
    session(
        "cccccc",
        90_000,
        1500,
        17,
        began_by=ROWS[2][2],
        restored="0000000011-bbbbbb",
        ended="failed",
        error=ERROR,
        place="Jupyter",
        gpu="",
        host="ada",
    ),
)


@pytest.fixture
def storied(digits: Path) -> Path:
    """The run with a story: two restarts, and the last session failed behind the newest checkpoint."""
    for path in (digits / "sessions").iterdir():
        path.unlink()
    for record in STORY:
        record.save(digits / "sessions")
    assert manifests(digits)[-1].step == 12
    return digits


@pytest.mark.usefixtures("utc")
def test_each_session_is_a_line(call: Call, storied: Path) -> None:
    """When, why, where, how long, from which step to which, what was lost, how it ended; and what it comes to."""
    *lines, blank, total = call("history", storied).lines
    assert [re.split("  +", line) for line in lines] == [
        ["session", "began", "because", "where", "lived", "steps", "lost", "ended"],
        [*ROWS[0], "1 h", "0 to 10", "at least 2 = 12 min 00 s", "went silent"],
        [*ROWS[1], "10 min", "8 to 14", "3 = 5 min 00 s", "stopped by the user"],
        [*ROWS[2], "25 min", "11 to 17", "5 = 20 min 50 s", f"failed: {ERROR}"],
    ]
    assert (blank, total) == ("", "2 restarts, at least 37 min 50 s lost of 1 h 35 min")


def test_a_program_gets_the_same_as_one_document(call: Call, storied: Path) -> None:
    """With every number as it is."""
    found = json.loads(call("history", storied, "--json").out)
    assert (found["run"], found["restarts"], found["lost_steps"]) == ("digits", 2, 10)
    assert (found["lost_seconds"], found["lived_seconds"]) == (720 + 300 + 1250, 3600 + 600 + 1500)
    assert [one["session"] for one in found["sessions"]] == ["aaaaaa", "bbbbbb", "cccccc"]
    first, _, last = found["sessions"]
    assert (first["began"], first["last_sign"], first["saving_seconds"]) == (BEGAN, BEGAN + 3600, 9.5)
    assert (last["ended"], last["error"]) == ("failed", ERROR)


def test_lost_is_what_no_whole_checkpoint_holds(call: Call, storied: Path) -> None:
    """If a pack of the newest one is missing, the last session has lost what came after the one before it."""
    own_pack(storied, -1).unlink()
    before = manifests(storied)[-2].step
    assert before < 12
    last = json.loads(call("history", storied, "--json").out)["sessions"][-1]
    assert (last["last_step"], last["lost_steps"]) == (17, 17 - before)


def test_nobody_says_that_a_session_that_went_silent_has_lost_nothing(call: Call, storied: Path) -> None:
    """Its last sign of life may be the one of its last checkpoint, and its steps after that nobody has seen."""
    for path in (storied / "sessions").iterdir():
        path.unlink()
    session("aaaaaa", 0, 40, 12).save(storied / "sessions")
    _, line, _, total = call("history", storied).lines
    assert re.split("  +", line)[-2:] == ["unknown", "went silent"]
    assert total == "no restart, an unknown time lost of 40.0 s"


def test_a_real_run_has_a_real_history(call: Call, digits: Path) -> None:
    """Two sessions that finished: nothing was lost, and the second went on where the first had ended."""
    answer = call("history", digits)
    assert [line.split("  ")[-1] for line in answer.lines[1:3]] == ["finished", "finished"]
    assert re.fullmatch(r"1 restart, nothing lost of .+", answer.lines[-1])
    steps = [
        (one["first_step"], one["last_step"]) for one in json.loads(call("history", digits, "--json").out)["sessions"]
    ]
    assert steps == [(0, 6), (6, 12)]


def test_a_picture_is_drawn_on_demand(call: Call, storied: Path, tmp_path: Path) -> None:
    """A whole SVG, in place of what was there; the run's own folder stays as it was."""
    before = picture(storied)
    drawing = tmp_path / "lives ü.svg"
    drawing.write_text("old")
    assert call("history", storied, "--svg", drawing).status == 0
    told = ElementTree.fromstring(drawing.read_text()).get("aria-label") or ""
    assert told.startswith("3 sessions over time: training, 1 h 35 min; saving 4 times")
    assert picture(storied) == before
    assert call("history", storied, "--svg", tmp_path / "no" / "lives.svg").status == 1


def test_a_record_that_cannot_be_read_is_told_of(call: Call, storied: Path) -> None:
    """The others are listed all the same."""
    torn = storied / "sessions" / STORY[1].file_name
    torn.write_bytes(torn.read_bytes()[:-9])
    answer = call("history", storied)
    assert answer.status == 0
    assert [line.split()[0] for line in answer.lines[1:3]] == ["aaaaaa", "cccccc"]
    assert f"sessions/{torn.name} skipped: a session record cannot be read" in answer.err


def test_a_clock_that_is_ahead_is_told_of(call: Call, storied: Path) -> None:
    """Then ages and gaps are not what they seem."""
    session("dddddd", 10**9, 60, 20).save(storied / "sessions")
    assert "one of the two clocks is wrong" in call("history", storied).err


def test_a_run_without_sessions_says_so(call: Call, storied: Path, tmp_path: Path) -> None:
    """Their records are only history: without them the run is as good as before."""
    for path in (storied / "sessions").iterdir():
        path.unlink()
    answer = call("history", storied, "--svg", tmp_path / "none.svg")
    assert (answer.status, answer.lines[-1]) == (0, "no session has left a record that can be read")
    assert "no session has worked on this run" in (tmp_path / "none.svg").read_text()
    assert json.loads(call("history", storied, "--json").out)["sessions"] == []
