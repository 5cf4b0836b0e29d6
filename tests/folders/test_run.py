"""`run.folder`, as users call it: with a training beside it, with flush and finish, after kills and on new VMs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from folders.conftest import Counting, content, write
from folders.yolo import EPOCHS, train
from run.conftest import Counter, Place, place

from colab_resume import Run
from colab_resume.display.text import summary
from colab_resume.errors import NotSafe, RemoteRefused, UsageError
from colab_resume.testing import FaultyRemote

__all__ = ["place"]

TESTS = Path(__file__).parents[1]


@pytest.fixture
def setup(place: Place) -> Callable[[], Run]:
    """A session, in which folders settle within moments."""

    def begin() -> Run:
        run = place.setup()
        run._course.folders._settle = 0.1
        return run

    return begin


def steps(run: Run, count: int) -> None:
    run.track(counter=Counter())
    for _ in run.steps(count):
        pass


def test_finish_waits_until_the_folder_has_settled_and_is_there(
    place: Place, setup: Callable[[], Run], tmp_path: Path
) -> None:
    """And a new VM has it before the first line of training; the run's own checkpoints go on beside it."""
    run = setup()
    folder = run.folder(tmp_path / "weights")
    steps(run, 3)
    write(folder, {"last.pt": b"1" * 1000})
    run.finish(60)
    assert run.status().folders[0].is_safe
    place.store = tmp_path / "another disk"
    again = setup()
    assert content(again.folder(tmp_path / "elsewhere" / "weights")) == {"last.pt": b"1" * 1000}
    assert again.status().restored == 3
    again.finish(60)


def test_flush_says_what_a_folder_keeps_it_from(setup: Callable[[], Run], tmp_path: Path) -> None:
    """Somebody writes there all the time; when he stops, all is well."""
    run = setup()
    folder = run.folder(tmp_path / "weights")
    stop = threading.Event()

    def restless() -> None:
        while not stop.wait(0.02):
            write(folder, {"last.pt": os.urandom(100)})

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        with pytest.raises(NotSafe, match="settled"):
            run.flush(2)
    finally:
        stop.set()
        thread.join()
    run.flush(60)
    assert run.status().folders[0].is_safe


def test_a_refusal_is_a_problem_and_raises_for_who_waits(
    place: Place, setup: Callable[[], Run], tmp_path: Path
) -> None:
    """Nothing is swallowed, and nothing stops the training."""
    refusal = RemoteRefused("this folder may not be written to", hint="ask for the right")
    place.remote = FaultyRemote(
        Counting(), lambda number, verb, name: refusal if verb == "put" and name.startswith("r/folders/") else None
    )
    run = setup()
    folder = run.folder(tmp_path / "weights")
    write(folder, {"last.pt": b"1"})
    steps(run, 3)
    with pytest.raises(NotSafe, match="may not be written to"):
        run.flush(60)
    assert any("may not be written to" in problem for problem in run.status().problems)
    assert run.status().safe == 3


def test_the_same_folder_again_is_nothing_and_a_finished_run_refuses(
    setup: Callable[[], Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell may be run twice."""
    run = setup()
    write(tmp_path / "weights", {"last.pt": b"1"})
    assert run.folder(tmp_path / "weights") == run.folder(str(tmp_path / "weights")) == tmp_path / "weights"
    assert capsys.readouterr().out.count("mirrored from now on") == 1
    run.finish(60)
    with pytest.raises(UsageError, match="is finished"):
        run.folder(tmp_path / "weights")


def test_the_status_shows_one_row_for_each_folder(setup: Callable[[], Run], tmp_path: Path) -> None:
    """How much it is and how far it has come."""
    run = setup()
    folder = run.folder(tmp_path / "weights")
    assert "weights: nothing has settled yet" in summary(run.status())
    write(folder, {"a.pt": b"a" * 1500, "b.pt": b"b" * 500})
    run.flush(60)
    (row,) = [line for line in summary(run.status()).splitlines() if line.split()[0] == "folder"]
    assert "weights: 2 files, 2.0 kB, of" in row
    assert row.endswith(", safe")


def test_a_session_that_begins_anew_in_the_same_process_goes_on_mirroring(
    place: Place, setup: Callable[[], Run], tmp_path: Path
) -> None:
    """The loop was left and entered again; the folder is as the framework left it."""
    run = setup()
    folder = run.folder(tmp_path / "weights")
    run.track(counter=Counter())
    for step in run.steps(5):
        if step == 3:
            break
    write(folder, {"last.pt": b"1"})
    run.track(counter=Counter())
    for _ in run.steps(5):
        pass
    write(folder, {"last.pt": b"2"})
    run.finish(60)
    assert run.status().folders[0].is_safe
    place.store = tmp_path / "another disk"
    assert content(setup().folder(tmp_path / "elsewhere" / "weights")) == {"last.pt": b"2"}


@pytest.mark.slow
def test_a_script_that_writes_last_and_best_goes_on_after_each_kill(tmp_path: Path) -> None:
    """YOLO's way, without `run.batches`: killed in every epoch but the last, each time with a new disk."""
    made: list[str] = []
    for life in range(20):
        work = tmp_path / f"{life}"
        command = [sys.executable, "-m", "folders.yolo", str(work / "store"), str(tmp_path / "remote"), str(work)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            lines = [line.strip() for line in _until(process, len(made), tmp_path / "remote")]
        made += [line for line in lines if line.startswith("epoch")]
        if "finished" in lines:
            break
    assert made == [f"epoch {epoch}" for epoch in range(EPOCHS)]
    whole = torch.load(train(tmp_path / "whole", EPOCHS))
    found = torch.load(work / "weights" / "last.pt")
    assert (found["epoch"], found["best"]) == (whole["epoch"], whole["best"])
    torch.testing.assert_close(found["net"], whole["net"], rtol=0, atol=0)


def _until(process: subprocess.Popen[str], epochs: int, remote: Path) -> list[str]:
    """What it printed until it was killed: when the set with its newest epoch is on the remote, unless it was the last."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("epoch") and epochs + 1 < EPOCHS:
            sets = remote / "yolo" / "folders" / "weights" / "sets"
            before = len(list(sets.glob("*.json"))) if sets.exists() else 0
            while process.poll() is None and (not sets.exists() or max(_numbers(sets), default=0) <= epochs):
                threading.Event().wait(0.05)
            assert before <= len(_numbers(sets))
            process.send_signal(signal.SIGKILL)
    return lines


def _numbers(sets: Path) -> list[int]:
    return [int(path.name[:10]) for path in sets.glob("*.json")]
