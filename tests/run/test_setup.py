"""The first cell, run again, with other words, in another process: what it does and what it refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from interrupting import interrupt_before_line
from run.conftest import Counter, Place
from vm import live

import colab_resume
from colab_resume.colab import place as places
from colab_resume.errors import NotSafe, RunInUse, UsageError
from colab_resume.site import Address, open_site
from colab_resume.testing import MemoryRemote

__all__: list[str] = []


def test_a_run_needs_a_name_where_the_notebook_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes the notebook's where it has one."""
    for variable in ("COLAB_NOTEBOOK_ID", "JPY_SESSION_NAME"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(UsageError, match="no name") as raised:
        colab_resume.setup(store=tmp_path)
    assert 'setup("digits")' in raised.value.hint
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/cats and dogs.ipynb")
    run = colab_resume.setup(store=tmp_path)
    assert run.name == "cats and dogs"
    run.finish()


def test_what_may_not_survive_is_never_called_safe(tmp_path: Path) -> None:
    """On Kaggle the working folder outlives the session only if the user has said so there, which nobody can see."""
    kaggle = Address(name="r", store=tmp_path / "r", place=places.Place(kind=places.Kind.KAGGLE))
    site = open_site(kaggle, drive=True, remote=None, upload_limit=None)
    assert site.remote is not None
    assert not site.remote.confirms
    assert "Persistence" in site.line
    assert "Drive" not in site.remote_name


def test_other_words_are_refused_with_what_they_would_change(place: Place, tmp_path: Path) -> None:
    """Nothing is changed silently, and nothing is opened beside what is open."""
    place.setup()
    with pytest.raises(UsageError, match=r"every=1 would become 5, budget=0.02 would become 0.1"):
        colab_resume.setup("r", store=place.store, every=5, budget=0.1)
    with pytest.raises(UsageError, match="remote=") as raised:
        colab_resume.setup("r", store=place.store, every=1, remote=tmp_path)
    assert "run.finish()" in raised.value.hint


def test_a_store_is_no_remote_of_its_own(tmp_path: Path) -> None:
    """Whatever it is called, and before anything is written to it."""
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for remote in (tmp_path / "disk", str(tmp_path / "link")):
        with pytest.raises(UsageError, match="cannot be their remote as well"):
            colab_resume.setup("r", store=tmp_path / "disk", remote=remote)
    assert not (tmp_path / "disk" / "r").exists()


def test_what_is_said_without_a_remote_is_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine of one's own: one line says what survives what."""
    run = colab_resume.setup("r", store=tmp_path)
    assert "this machine's disk" in run.status().place
    run.finish()


def test_a_forked_process_is_told_whose_run_it_is(place: Place) -> None:
    """It has a copy without threads, and whatever it wrote would go into the parent's files."""
    run = place.setup()

    def body() -> list[str]:
        told = []
        for call in (lambda: run.log(n=1), run.flush, lambda: colab_resume.setup("r", store=place.store, every=1)):
            with pytest.raises(UsageError, match="forked") as raised:
                call()
            told.append(raised.value.what)
        return told

    status, told = live(body)
    assert status == 0
    assert len(told) == 3
    run.log(n=2)
    assert [record.values for record in run.history()] == [{"n": 2}]


_SPAWNS = """
import multiprocessing, os, sys
import colab_resume

def work():
    print("worked")

run = colab_resume.setup("r", store="disk")
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
    run.finish()
    sys.exit(process.exitcode)
"""


@pytest.mark.slow
def test_a_spawned_worker_is_told_what_is_missing(tmp_path: Path) -> None:
    """It runs the script again: a second session would begin in each worker."""
    (tmp_path / "train.py").write_text(_SPAWNS)
    ran = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100
    )
    assert ran.returncode == 1
    assert "only begun to import your script" in ran.stderr
    assert 'if __name__ == "__main__":' in ran.stderr
    assert len(list((tmp_path / "disk" / "r" / "sessions").iterdir())) == 1


def test_what_was_taken_over_can_be_taken_back(tmp_path: Path) -> None:
    """By the cell run again with takeover=True: it goes on from what the other one has saved."""
    remote = MemoryRemote()

    def setup(disk: str, **options: object) -> colab_resume.Run:
        return colab_resume.setup("r", store=tmp_path / disk, remote=remote, every=1, **options)  # type: ignore[arg-type]

    mine = setup("mine")
    values = mine.state(n=0)
    for _ in mine.steps(2):
        values.n += 1
    mine.flush()
    other = setup("other", takeover=True)
    values = other.state(n=0)
    for _ in other.steps(5):
        values.n += 1
    other.flush()
    mine.save()
    with pytest.raises(NotSafe, match="taken over"):
        mine.flush(30)
    assert setup("mine") is mine
    with pytest.raises(NotSafe, match="taken over"):
        mine.flush(30)
    assert setup("mine", takeover=True) is mine
    assert mine.status().restored == 5
    other.save()
    with pytest.raises(NotSafe, match="taken over"):
        other.flush(30)
    with pytest.raises(NotSafe):
        other.finish(1)
    mine.finish()


def test_somebody_elses_run_is_refused_where_nobody_can_be_asked(tmp_path: Path) -> None:
    """With what to say."""
    remote = MemoryRemote()
    first = colab_resume.setup("r", store=tmp_path / "one", remote=remote)
    pid = os.getpid()

    def body() -> str:
        assert os.getpid() != pid
        with pytest.raises(RunInUse) as raised:
            colab_resume.setup("r", store=tmp_path / "two", remote=remote)
        return raised.value.hint

    status, hint = live(body)
    assert status == 0
    assert "takeover=True" in hint
    first.finish()


def test_a_vm_is_not_given_back_before_the_remote_has_confirmed(tmp_path: Path) -> None:
    """Without a remote nothing survives it; elsewhere than on Colab there is none to give back."""
    run = colab_resume.setup("r", store=tmp_path / "alone")
    values = run.state(n=0)
    for _ in run.steps(2):
        values.n += 1
    with pytest.raises(NotSafe, match="the VM is kept"):
        run.finish(disconnect=True)


def test_elsewhere_there_is_no_vm_to_give_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is said, and no failure."""
    run = colab_resume.setup("r", store=tmp_path / "disk", remote=tmp_path / "remote")
    values = run.state(n=0)
    for _ in run.steps(2):
        values.n += 1
    run.finish(disconnect=True)
    assert "no VM to give back" in capsys.readouterr().out


class Lagging(MemoryRemote):
    """Others see what is stored here much later, so that a claim has to be waited for."""

    lag = 600.0


def test_a_session_that_closes_waits_for_no_right_to_write(tmp_path: Path) -> None:
    """The cell run again begins a new one; the old one's mirror ends at once, and sends nothing any more."""
    others, remote = _mirrors(), Lagging()
    run = colab_resume.setup("r", store=tmp_path, remote=remote, every=1)
    values = run.state(n=0)
    for _ in run.steps(3):
        values.n += 1
        if values.n == 2:
            break
    for _ in run.steps(3):
        values.n += 1
    assert len(_mirrors() - others) == 1
    with pytest.raises(NotSafe):
        run.finish(0.1)
    assert not _mirrors() - others


def _mirrors() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "colab_resume-mirror"}


def test_a_session_that_is_closed_twice_has_no_problem(place: Place) -> None:
    """As where Ctrl-C came while it was closed: by then the folder may be another process's."""
    saving = place.setup()._saving
    for _ in range(2):
        saving.close(5)
    assert saving.problems == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("steps_before", [0, 1])
def test_ctrl_c_anywhere_leaves_a_run_that_can_be_set_up_again(tmp_path: Path, steps_before: int) -> None:
    """In setup, in a step, in finish, before any line: the cell that runs again has the run, and finishes it. Also a
    cell that was left in the middle before, and begins anew with new objects.

    Some lines of them all; for every one of them set COLAB_RESUME_EVERY_LINE to 1.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    modules = [f"colab_resume.{name}" for name in ("run", "course", "saving.session")]
    step = int(os.environ.get("COLAB_RESUME_EVERY_LINE", "31"))
    line = 0
    try:
        while True:
            place = {"store": tmp_path / str(line), "remote": tmp_path / "remote" / str(line), "every": 1}
            if steps_before:
                _cell(place, leave_at=steps_before)
            try:
                with interrupt_before_line(line, *modules) as reached:
                    _cell(place)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            else:
                assert not reached
                break
            assert _cell(place) == 2, f"interrupted before line {reached}"
            line += step
    finally:
        signal.signal(signal.SIGINT, before)
    assert line > 100


def _cell(place: dict[str, Any], *, leave_at: int | None = None) -> int:
    run = colab_resume.setup("r", **place)
    counter = Counter()
    run.track(counter=counter)
    for step in run.steps(2):
        if step == leave_at:
            return counter.n
        counter.n += 1
    run.finish()
    return counter.n
