"""`run.folder`, as users call it: with a training beside it, with flush and finish, after kills and on new VMs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from folders.conftest import Counting, content, write
from folders.yolo import train
from run.conftest import Counter, Place, place
from vm import KILLED, die, live

import colab_resume
from colab_resume import Run
from colab_resume.display.text import summary
from colab_resume.errors import NotSafe, RemoteRefused, UsageError
from colab_resume.testing import FaultyRemote

__all__ = ["place"]


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


def test_a_folder_that_holds_the_remote_is_refused(tmp_path: Path) -> None:
    """It would be mirrored into itself, and grow for ever."""
    run = colab_resume.setup("r", store=tmp_path / "store", remote=tmp_path / "mounted" / "runs")
    for folder in ("mounted", "mounted/runs/r", "mounted/runs/r/folders"):
        with pytest.raises(UsageError, match="run's own"):
            run.folder(tmp_path / folder)
    run.folder(tmp_path / "mounted" / "weights")
    run.finish(60)


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
@pytest.mark.parametrize("disk", ["the same", "a new one"])
def test_a_script_that_writes_last_and_best_goes_on_after_each_kill(tmp_path: Path, disk: str) -> None:
    """YOLO's way, without `run.batches`: each life saves one epoch more, and dies while it writes the next one."""
    epochs, made = 4, tmp_path / "made"
    whole = torch.load(train(tmp_path / "whole", epochs))

    def session(life: int) -> str:
        work = tmp_path / (f"{life}" if disk == "a new one" else "0")
        run = colab_resume.setup("yolo", store=work / "store", remote=tmp_path / "remote")
        run._course.folders._settle = 0.1

        def saved(epoch: int) -> None:
            with made.open("a") as notes:
                notes.write(f"{epoch} ")
            if epoch + 1 < epochs:
                run.flush(60)
                last = work / "weights" / "last.pt"
                last.write_bytes(last.read_bytes()[:-1000])  # the next one, as it is overwritten in place
                die()

        last = train(run.folder(work / "weights"), epochs, saved)
        run.finish(60)
        return str(last)

    ends = [live(lambda life=life: session(life)) for life in range(epochs)]  # type: ignore[misc]
    assert [status for status, _ in ends] == [KILLED] * (epochs - 1) + [0]
    assert made.read_text() == "0 1 2 3 "
    found = torch.load(ends[-1][1])
    assert (found["epoch"], found["best"]) == (whole["epoch"], whole["best"])
    torch.testing.assert_close((found["net"], found["opt"]), (whole["net"], whole["opt"]), rtol=0, atol=0)
    asides = list(tmp_path.glob("*/weights.set-aside-*"))
    assert len(asides) == (epochs - 1 if disk == "the same" else 0)
