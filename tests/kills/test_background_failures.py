"""What fails in the background never reaches the training: it ends with the same bits, and somebody is told once."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kills.training import NAME, STEPS, Result, train

from colab_resume.errors import NotSafe, RemoteError, RemoteRefused, RemoteUnavailable
from colab_resume.run import Run, setup
from colab_resume.testing import FaultyRemote, MemoryRemote

__all__: list[str] = []

_SECONDS = 30.0


@pytest.fixture(scope="module")
def undisturbed(memory: Path) -> Result:
    """The same training in this process, where nothing fails."""
    return train(setup(NAME, store=memory / "undisturbed", every=10**6))


def _check(result: Result, undisturbed: Result) -> None:
    assert result.digest == undisturbed.digest
    assert result.history == undisturbed.history


def test_a_remote_that_refuses_everything_does_not_stop_the_training(tmp_path: Path, undisturbed: Result) -> None:
    """The training ends as ever, the status says what is wrong, and `finish` raises because nothing is safe."""

    def full(number: int, verb: str, name: str) -> Exception | None:
        return RemoteRefused("the drive is full", hint="empty the trash") if verb == "put" else None

    run = setup(NAME, store=tmp_path / "disk", remote=FaultyRemote(MemoryRemote(), full), every=2)
    result = train(run)
    _check(result, undisturbed)
    assert "the drive is full" in result.not_safe
    assert "the drive is full" in result.problems[0]
    assert result.safe is None


def test_a_remote_that_is_away_for_a_while_leaves_no_trace_in_the_training(tmp_path: Path, undisturbed: Result) -> None:
    """The waits between two tries are random, and the training's own random numbers do not notice."""
    failed = threading.Event()

    def away(number: int, verb: str, name: str) -> Exception | None:
        if verb != "put" or "/packs/" not in name or failed.is_set():
            return None
        failed.set()
        return RemoteUnavailable("nobody answers", hint="ask again")

    def after_step(step: int, digest: str) -> None:
        if step == 5:
            assert failed.wait(_SECONDS)

    run = setup(NAME, store=tmp_path / "disk", remote=FaultyRemote(MemoryRemote(), away), every=2)
    result = train(run, after_step=after_step)
    _check(result, undisturbed)
    assert (result.safe, result.problems, result.not_safe) == (STEPS, [], "")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def _fill(disk: Path) -> Path:
    """Leave no byte free; returns the file to delete."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk has no end")


class _FullFor:
    """Fills the disk after one step, and frees it after another."""

    def __init__(self, disk: Path, run: Run, *, first: int, last: int) -> None:
        self._disk = disk
        self._run = run
        self._first = first
        self._last = last
        self.problems: tuple[str, ...] = ()
        self.saved: int | None = None
        """The newest step on the disk when it was full."""

    def __call__(self, step: int, digest: str) -> None:
        if self._first - 5 <= step <= self._first:
            self._run.flush()  # on a busy machine not every step is saved, but where nothing is in hand the next one is
        if step == self._first:
            self.saved = self._run.status().saved
            self._ballast = _fill(self._disk)
        elif step == self._last:
            with pytest.raises(NotSafe):
                self._run.flush()
            self.problems = self._run.status().problems
            self._ballast.unlink()


@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_a_full_disk_does_not_stop_the_training_and_saving_goes_on_when_there_is_space(
    disk: Path, undisturbed: Result, caplog: pytest.LogCaptureFixture
) -> None:
    """The same bits, one warning although 40 saves failed, and in the end all is safe."""
    run = setup(NAME, store=disk / "store", remote=MemoryRemote(), every=1)
    trouble = _FullFor(disk, run, first=20, last=60)
    with caplog.at_level(logging.WARNING):
        result = train(run, after_step=trouble)
    _check(result, undisturbed)
    assert "No space left" in trouble.problems[0]
    told = [record.getMessage() for record in caplog.records if "No space left" in record.getMessage()]
    assert len(told) == 1, told
    assert (result.safe, result.problems, result.not_safe) == (STEPS, [], "")


@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_a_disk_that_stays_full_is_said_by_finish_and_leaves_the_run_closed(disk: Path, undisturbed: Result) -> None:
    """`finish` raises `NotSafe`, the threads end, and when there is space again the next start goes on."""
    run = setup(NAME, store=disk / "store", every=1)
    trouble = _FullFor(disk, run, first=20, last=STEPS + 1)
    result = train(run, after_step=trouble)
    _check(result, undisturbed)
    assert "No space left" in result.not_safe
    (disk / "ballast").unlink()
    again = train(setup(NAME, store=disk / "store"))
    _check(again, undisturbed)
    assert trouble.saved is not None
    assert again.restored is not None
    assert 15 <= trouble.saved <= again.restored <= 20


@pytest.mark.parametrize(
    "error",
    [
        RemoteRefused("you may not look", hint="share the folder"),
        pytest.param(RemoteUnavailable("nobody answers", hint="ask again"), marks=pytest.mark.slow),
    ],
)
def test_a_remote_that_cannot_be_asked_at_the_start_is_an_error(
    tmp_path: Path, undisturbed: Result, error: RemoteError
) -> None:
    """It may hold the newest checkpoint, so nothing starts from zero; once it answers, the run goes on from there."""
    remote = MemoryRemote()
    train(setup(NAME, store=tmp_path / "old", remote=remote, every=50))
    with pytest.raises(type(error)):
        setup(NAME, store=tmp_path / "new", remote=FaultyRemote(remote, lambda number, verb, name: error))
    assert not list((tmp_path / "new" / NAME / "checkpoints").iterdir())
    result = train(setup(NAME, store=tmp_path / "new", remote=remote))
    assert result.restored == STEPS
    assert result.history == undisturbed.history
