"""How a session can end other than by a kill: finished, left, interrupted; and what it leaves behind."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from kills.conftest import Reference
from kills.folders import manifests
from kills.training import NAME
from kills.zygote import Life, Zygote, environment

from colab_resume.run import Run, setup

__all__: list[str] = []

_LEAVING = """
import signal, sys, threading
from pathlib import Path

import torch
from kills.training import NAME, train
from colab_resume.remotes.folder import FolderRemote
from colab_resume.run import setup

leaving = threading.Event()

class Late(FolderRemote):
    def put(self, name, source):
        assert "/sessions/" in name or leaving.wait(30)
        return super().put(name, source)

def after_step(step, digest):
    if step == 10:
        leaving.set()
        LEAVE

torch.set_num_threads(1)
run = setup(NAME, store="disk", remote=Late(Path("drive")), every=1)
train(run, after_step=after_step)
"""
"""No checkpoint is uploaded before the training is left, so whatever is on the remote came there on the way out."""


def _ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("colab_resume")]


def _short(run: Run, *, turns: int = 3) -> None:
    """A short training, tested once after the loop with numbers drawn at random."""
    model = torch.nn.Linear(2, 2)
    run.track(model=model)
    for _ in run.steps(turns):
        with torch.no_grad():
            model.weight += torch.randn(2, 2)
        run.log(size=model.weight.sum())


def _metrics(run: Run) -> list[dict[str, object]]:
    return [dict(record.values) for record in run.history()]


def test_after_finish_nothing_of_ours_is_left(tmp_path: Path) -> None:
    """All threads have ended, the folder can be opened again, and a second `finish` does nothing."""
    run = setup(NAME, store=tmp_path / "disk", remote=tmp_path / "drive", every=1)
    _short(run)
    passing = {"colab_resume-copier", "colab_resume-transfer"}
    lasting = [f"colab_resume-{name}" for name in ("interrupt", "mirror", "writer")]
    assert sorted(set(_ours()) - passing) == lasting
    run.finish()
    assert not _ours()
    run.finish()
    assert run.status().safe == 3
    again = setup(NAME, store=tmp_path / "disk", remote=tmp_path / "drive")
    assert again is not run
    again.finish()
    assert not _ours()


def test_what_comes_after_the_loops_is_not_lost_by_a_kill_before_it(tmp_path: Path) -> None:
    """The test at the end runs again after the restart, with the same random numbers, and is in the history."""
    run = setup(NAME, store=tmp_path / "disk", every=1)
    random.seed(3)
    _short(run)
    run.flush()
    shutil.copytree(tmp_path / "disk", tmp_path / "killed here")
    run.log(test=random.random())
    run.finish()
    after = setup(NAME, store=tmp_path / "killed here")
    random.seed(3)
    random.random()
    _short(after)
    after.log(test=random.random())
    after.finish()
    assert _metrics(after) == _metrics(run)


def test_a_finished_run_that_is_started_again_has_the_same_history(tmp_path: Path) -> None:
    """What comes after the loops runs once more, and is not in the history twice."""
    run = setup(NAME, store=tmp_path / "disk", every=1)
    _short(run)
    run.log(test=0.5)
    run.finish()
    again = setup(NAME, store=tmp_path / "disk")
    _short(again)
    again.log(test=0.5)
    again.finish()
    assert len(_metrics(run)) == 4
    assert _metrics(again) == _metrics(run)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leave", "left_as"),
    [
        ("sys.exit(0)", (0, "exited")),
        ("signal.raise_signal(signal.SIGINT)", (-2, "interrupted")),
        ("raise ValueError('a mistake')", (1, "failed")),
    ],
    ids=["exit", "Ctrl-C", "exception"],
)
def test_whoever_leaves_without_finish_loses_nothing_that_was_saved(
    zygote: Zygote, reference: Reference, tmp_path: Path, leave: str, left_as: tuple[int, str]
) -> None:
    """On the way out the last saved boundary reaches the remote, and a new VM goes on from there, bit-exactly."""
    code, ended = left_as
    left = subprocess.run(
        [sys.executable, "-c", _LEAVING.replace("LEAVE", leave)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert left.returncode in (code, 128 - code), left.stderr
    newest = manifests(tmp_path / "disk")[0]
    assert newest == manifests(tmp_path / "drive")[0]
    assert newest.step > 0
    records = sorted((tmp_path / "drive" / NAME / "sessions").iterdir())
    assert json.loads(records[-1].read_text())["ended"] == ended
    life = Life(store=str(tmp_path / "new"), remote=str(tmp_path / "drive"), expected=str(reference.steps))
    end = zygote.live(life)
    assert end.result is not None, end.text
    assert end.result.restored == newest.step
    assert (end.result.digest, end.result.history) == (reference.result.digest, reference.result.history)
