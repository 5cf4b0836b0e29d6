"""What is shown, as texts: the same for the panel and for plain lines."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from display.panel_scene import MOMENTS, NOW

from colab_resume.display.marks import Mark
from colab_resume.display.text import first_safe, report, summary
from colab_resume.display.view import View, view
from colab_resume.status import Folder, Progress, Sending, Status
from colab_resume.training.replay import ReplayReport


def status(**facts: Any) -> Status:
    return Status(run="digits", session="k3f9a2", at=NOW, remote_name="Drive", **facts)


def texts(shown: View) -> list[str]:
    """Every text in it that is not empty."""
    return [text for text in _leaves(dataclasses.asdict(shown)) if text]


def _leaves(node: object) -> list[str]:
    if isinstance(node, str):
        return [node]
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    return [text for item in inside for text in _leaves(item)]


def test_a_first_start_says_so() -> None:
    """Nothing is claimed that is not there."""
    shown = view(status())
    assert [line.text for line in shown.story] == ["first start, nothing to restore"]
    assert shown.state.text == "ready"
    assert [stage.step for stage in shown.stages] == ["nothing yet"] * 3
    assert not shown.problems


def test_a_restart_says_what_happened_and_what_came_back() -> None:
    """In the order in which one asks."""
    shown = view(MOMENTS["after a VM loss"]())
    assert [(line.label, line.text) for line in shown.story] == [
        ("happened", "new VM: the last one went silent 14:02:11, 1 h 22 min ago"),
        ("restored", "step 1240, verified, in 3.4 s"),
        ("set aside", "0000001265-m81xq0: 0000001265-m81xq0-1.safetensors is not there as a whole"),
        ("lost work", "at least 25 steps = 38.0 s, they run again"),
        ("replay", "25 of 25 losses bit-identical"),
        ("on", "checkpoints go to Google Drive (MyDrive/colab_resume): they survive this VM"),
        ("proof", "Drive says when nothing of a file waits to be uploaded any more"),
    ]
    assert "session 4 (k3f9a2)" in shown.session


def test_a_checkpoint_is_followed_from_here_to_the_remote() -> None:
    """Each stage with its step and its age; on its way also with bytes, rate and time left."""
    sending = Sending(step=1400, sent=41_000_000, size=128_000_000, seconds=5.0)
    saved, way, safe = view(
        status(step=1412, saved=1400, saved_at=NOW - 12, safe=1240, safe_at=NOW - 38, sending=sending)
    ).stages
    assert (saved.step, saved.detail) == ("step 1400", "12 s ago")
    assert (way.step, way.detail, way.note) == ("step 1400", "41.0 MB of 128.0 MB", "8.2 MB/s · 11 s left")
    assert way.share == pytest.approx(41 / 128)
    assert (safe.title, safe.step, safe.detail) == ("Safe on Drive", "step 1240", "38 s ago")


@pytest.mark.parametrize(
    ("facts", "step", "words", "mark"),
    [
        ({"saved": 9}, "step 9", "waits for its turn", Mark.WAITS),
        ({"saved": 9, "safe": 5, "sent": 5}, "step 9", "waits for its turn", Mark.WAITS),
        ({"saved": 9, "safe": 5, "sent": 9}, "step 9", "handed to Drive", Mark.MOVES),
        ({"saved": 9, "sent": 9}, "step 9", "handed to Drive", Mark.MOVES),
        ({"saved": 9, "safe": 9, "sent": 9}, "all sent", "nothing waits", Mark.GOOD),
        ({"remote": False, "saved": 9}, "nowhere to go", "", Mark.WAITS),
        ({"sending": Sending(step=9, sent=0, size=0, seconds=0.0)}, "step 9", "0 B of 0 B", Mark.MOVES),
    ],
)
def test_what_is_between_here_and_the_remote_is_told(facts: Any, step: str, words: str, mark: Mark) -> None:
    """Waiting, handed over, arrived, or with nowhere to go."""
    way = view(status(**facts)).stages[1]
    assert (way.step, way.detail, way.mark) == (step, words, mark)


@pytest.mark.parametrize(
    ("facts", "step", "mark"),
    [
        ({"sent": 9}, "not known", Mark.WAITS),
        ({"saved": 9}, "nothing yet", Mark.WAITS),
        ({"saved": 9, "remote": False}, "no remote", Mark.WARN),
    ],
)
def test_nothing_is_called_safe_that_is_not_confirmed(facts: Any, step: str, mark: Mark) -> None:
    """A remote that takes everything and confirms nothing leaves it at "not known"."""
    safe = view(status(**facts)).stages[2]
    assert (safe.step, safe.mark) == (step, mark)


@pytest.mark.parametrize(
    ("facts", "value"),
    [
        ({"step": 1412, "safe": 1240}, "172 steps"),
        ({"step": 1241, "safe": 1240}, "1 step"),
        ({"step": 30, "saved": 20, "sent": 20}, "30 steps"),
        ({"step": 30, "restored": 10}, "not known yet"),
    ],
)
def test_what_would_be_lost_now_is_told(facts: Any, value: str) -> None:
    """Only what is confirmed counts as safe."""
    assert view(status(**facts)).facts[0].value == value


@pytest.mark.parametrize(
    ("progress", "step", "where", "pace", "share"),
    [
        (Progress(epoch=3, epochs=10, batch=212, batches=400, seconds_per_step=0.19), 1412,
         "epoch 4 of 10 · batch 212 of 400 · step 1412", "5.3 steps/s · about 8 min left", 0.353),
        (Progress(epoch=3, batch=2, seconds_per_step=0.001), 14, "epoch 4 · batch 2 · step 14", "1000 steps/s", None),
        (Progress(steps=2000, seconds_per_step=3.0), 500,
         "step 500 of 2000", "3.0 s/step · about 1 h 15 min left", 0.25),
        (Progress(epoch=0, epochs=2), 7, "epoch 1 of 2 · step 7", "", 0.0),
        (Progress(), 7, "step 7", "", None),
        (None, 7, "step 7", "the loop has not begun", None),
    ],
)  # fmt: skip
def test_progress_has_a_pace_and_an_end_where_they_are_known(
    progress: Progress | None, step: int, where: str, pace: str, share: float | None
) -> None:
    """And nowhere else."""
    going = view(status(progress=progress, step=step)).going
    assert (going.where, going.pace) == (where, pace)
    assert going.share == (share if share is None else pytest.approx(share, abs=1e-3))


def test_a_problem_comes_with_what_to_do() -> None:
    """And the state says at once that there is one."""
    shown = view(MOMENTS["Drive full"]())
    (problem,) = shown.problems
    assert "Drive is full" in problem.what
    assert problem.hint.startswith("old checkpoints of this run make room")
    assert shown.state.mark is Mark.WARN
    assert [fact.mark for fact in shown.facts if fact.label == "Drive"] == [Mark.WARN]


@pytest.mark.parametrize(
    ("report", "mark"),
    [
        (ReplayReport(25, 3, 3), Mark.BUSY),
        (ReplayReport(25, 25, 25, over=True), Mark.GOOD),
        (ReplayReport(25, 2, 1, "step 7: loss 0.1 before, 0.2 now"), Mark.WARN),
    ],
)
def test_a_replay_that_differs_is_marked(report: ReplayReport, mark: Mark) -> None:
    """Under way, proved, or not the same."""
    (line,) = [line for line in view(status(replay=report.line)).story if line.label == "replay"]
    assert line.mark is mark


@pytest.mark.parametrize(
    ("ended", "problems", "word", "mark"),
    [
        ("clean", (), "finished", Mark.GOOD),
        ("clean", ("x",), "finished", Mark.WARN),
        ("interrupted", (), "interrupted", Mark.WARN),
        ("failed", (), "failed", Mark.WARN),
    ],
)
def test_the_end_is_told(ended: str, problems: tuple[str, ...], word: str, mark: Mark) -> None:
    """A clean end is only good if nothing is left undone."""
    state = view(status(ended=ended, problems=problems)).state
    assert (state.text, state.mark) == (word, mark)


@pytest.mark.parametrize(
    ("facts", "words", "mark"),
    [
        ({}, "weights: nothing has settled yet", Mark.WAITS),
        ({"captured_at": NOW - 120}, "weights: 3 files, 12.0 MB, of 2 min ago, on its way", Mark.MOVES),
        ({"captured_at": NOW, "sent_at": NOW}, "weights: 3 files, 12.0 MB, of just now, handed over", Mark.MOVES),
        (
            {"captured_at": NOW, "sent_at": NOW, "safe_at": NOW},
            "weights: 3 files, 12.0 MB, of just now, safe",
            Mark.GOOD,
        ),
        ({"captured_at": NOW, "problem": "x"}, "weights: 3 files, 12.0 MB, of just now", Mark.WARN),
    ],
)
def test_a_mirrored_folder_has_a_row(facts: dict[str, Any], words: str, mark: Mark) -> None:
    """Safe is said only of what the remote has confirmed."""
    folder = Folder(name="weights", files=3, size=12_000_000, **facts)
    (line,) = [line for line in view(status(folders=(folder,))).story if line.label == "folder"]
    assert (line.text, line.mark) == (words, mark)


@pytest.mark.parametrize("moment", MOMENTS)
def test_plain_text_has_everything_that_the_panel_has(moment: str) -> None:
    """Whatever the panel shows can be read without one."""
    shown, plain = view(MOMENTS[moment]()), summary(MOMENTS[moment]())
    marks = {mark.value for mark in Mark}
    assert [text for text in texts(shown) if text not in marks and text not in plain] == []


def test_the_lines_at_the_start_say_what_happened_and_where() -> None:
    """A first start says so in its headline, and only there."""
    lines = report(status(place="Colab, Tesla T4", happened="the cell was run again", restored=7)).splitlines()
    assert [line.split(maxsplit=1) for line in lines[1:3]] == [
        ["on", "Colab, Tesla T4"],
        ["happened", "the cell was run again"],
    ]
    assert report(status()) == "digits · session k3f9a2 · first start, nothing to restore"


def test_what_has_finished_is_whole() -> None:
    """No loop is open any more that could say how far it is."""
    assert view(status(step=240, progress=Progress(), ended="clean")).going.share == 1.0
    assert view(status(step=240, progress=Progress(), ended="failed")).going.share is None


def test_a_restart_that_finds_nothing_is_no_first_start() -> None:
    """The session before had not saved anything."""
    assert report(status(restarts=2)).startswith("digits · session k3f9a2 · restart 2, nothing to restore")


def test_one_lost_step_is_one() -> None:
    """People read it."""
    assert "at least 1 step, it runs again" in report(status(restored=3, restarts=1, lost_steps=1))


def test_the_first_safe_checkpoint_is_a_line() -> None:
    """A saved notebook keeps it."""
    assert first_safe("Drive", 90, 4.2) == "first checkpoint safe on Drive: step 90, 4.2 s after it was captured"


def test_a_line_of_a_stranger_steers_nothing() -> None:
    """What comes from a shared folder is spelled out where it is not plainly visible."""
    wild = status(happened="a\x1b[2Jb\nc", restored=1, set_aside=("x\rworse",))
    for text in (report(wild), summary(wild)):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "a\\x1b[2Jb\\nc" in text


def test_a_look_costs_little() -> None:
    """It is made twice a second beside the training; generous, for a busy machine."""
    seen = MOMENTS["after a VM loss"]()
    begin = time.process_time()
    for _ in range(200):
        view(seen)
    assert (time.process_time() - begin) / 200 < 0.002
