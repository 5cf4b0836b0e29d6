"""Leaving a training before its end, in processes of their own: Ctrl-C, an exception, in a script and in a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from run_folders import manifests

import colab_resume

__all__: list[str] = []

pytestmark = pytest.mark.slow

_HEAD = """
import signal, sys, threading
import torch
import colab_resume

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt():
    signal.raise_signal(signal.SIGINT)

run = colab_resume.setup("r", store="disk", remote="drive", every=OFTEN)
model = torch.nn.Linear(2, 2)
opt = torch.optim.AdamW(model.parameters())
run.track(model=model, opt=opt)
s = run.state(n=0)

def step():
    opt.zero_grad()
    model(torch.randn(4, 2)).square().mean().backward()
    opt.step()
    s.n += 1
"""

_LOOP = """
for epoch in run.epochs(3):
    for x in run.batches(list(range(10))):
        MIDDLE
        step()
        run.log(n=s.n)
run.finish()
print("finished", s.n)
"""


def script(folder: Path, body: str, *, often: str = "10_000") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _HEAD.replace("OFTEN", often) + body],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def loop(middle: str) -> str:
    return _LOOP.replace("MIDDLE", middle)


def newest_record(folder: Path, where: str = "drive") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(max((folder / where / "r" / "sessions").glob("*.json")).read_text())
    return found


def saved_steps(folder: Path) -> list[int]:
    return [manifest.step for manifest in manifests(folder / "drive" / "r")]


def test_ctrl_c_loses_no_step(tmp_path: Path) -> None:
    """The step that it falls into is completed and saved, whatever the cadence; the next start goes on after it."""
    left = script(tmp_path, loop("if s.n == 13: interrupt()"))
    assert left.returncode in (-2, 130), left.stderr
    assert "KeyboardInterrupt" in left.stderr
    assert max(saved_steps(tmp_path)) == 14
    assert "step 14 is" in left.stdout
    assert newest_record(tmp_path)["ended"] == "interrupted"
    again = script(tmp_path, loop("if s.n == 14: print('goes on at', epoch, x)"))
    assert "restored   step 14, verified" in again.stdout
    assert "goes on at 1 4" in again.stdout
    assert "finished 30" in again.stdout


def test_the_second_ctrl_c_comes_at_once(tmp_path: Path) -> None:
    """In the middle of the step; what was saved before is what there is."""
    left = script(tmp_path, loop("if s.n == 13: interrupt(); interrupt(); print('not reached')"))
    assert left.returncode in (-2, 130), left.stderr
    assert "not reached" not in left.stdout
    assert max(saved_steps(tmp_path)) < 13
    assert newest_record(tmp_path)["ended"] == "interrupted"


def test_ctrl_c_waits_for_the_step_of_accumulated_gradients(tmp_path: Path) -> None:
    """At a boundary in the middle of an accumulation nothing can be saved; the next one is waited for."""
    body = """
for x in run.batches(list(range(12))):
    if s.n == 5: interrupt()
    s.n += 1
    model(torch.randn(4, 2)).square().mean().backward()
    if s.n % 4 == 0:
        opt.step()
        opt.zero_grad()
"""
    left = script(tmp_path, body)
    assert left.returncode in (-2, 130), left.stderr
    assert max(saved_steps(tmp_path)) == 8


_WORKERS = """
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        threading.Event().wait(0.005)
        return torch.rand(2)

os.setpgrp()
loader = torch.utils.data.DataLoader(Data(), 4, num_workers=2, persistent_workers=PERSISTENT)
for epoch in run.epochs(3):
    for x in run.batches(loader):
        if s.n == 3: os.killpg(os.getpgrp(), signal.SIGINT)
        step()
"""


@pytest.mark.parametrize("persistent", [True, False])
def test_ctrl_c_leaves_the_workers_to_the_main_process(tmp_path: Path, persistent: bool) -> None:
    """A terminal and a kernel send it to all of them; a worker that died of it would take the next batch along."""
    left = script(tmp_path, "import os" + _WORKERS.replace("PERSISTENT", str(persistent)))
    assert left.returncode in (-2, 130), left.stderr
    assert "worker" not in left.stderr.lower()
    assert max(saved_steps(tmp_path)) == 4
    assert newest_record(tmp_path)["ended"] == "interrupted"


def test_ctrl_c_in_the_last_step_comes_through(tmp_path: Path) -> None:
    """All is done and saved then; whoever said stop is obeyed nevertheless."""
    left = script(tmp_path, loop("if s.n == 29: interrupt()"))
    assert left.returncode in (-2, 130), left.stderr
    assert "finished" not in left.stdout
    assert max(saved_steps(tmp_path)) == 30


def test_an_exception_is_shown_unchanged_and_noted(tmp_path: Path) -> None:
    """The newest checkpoint reaches the remote, and the record says by what the training was ended."""
    middle = "run._saving.writer.wait(None)\n        if s.n == 13: raise ValueError('no such label')"
    left = script(tmp_path, loop(middle), often="1")
    assert left.returncode == 1
    assert left.stderr.rstrip().endswith("ValueError: no such label")
    assert max(saved_steps(tmp_path)) == 13
    assert newest_record(tmp_path)["ended"] == "failed"


_BIG = """
import resource
run.track(big=(lambda: {"x": torch.full((50_000,), float(s.n))}, lambda state: None))
for _ in run.steps(3):
    s.n += 1
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
s.n = 99
run.finish()
"""


def test_a_run_whose_final_state_cannot_be_saved_has_not_finished(tmp_path: Path) -> None:
    """The disk takes small files only; the record says what was in the way, and the next start goes on from before."""
    left = script(tmp_path, _BIG)
    assert "NotSafe" in left.stderr
    record = newest_record(tmp_path, "disk")
    assert record["ended"] == "failed"
    assert "could not be saved" in record["error"]


_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.user_ns.update(globals())
def cell(text):
    result = shell.run_cell(text)
    print("cell ended with", repr(result.error_in_exec), flush=True)
cell('''
import colab_resume
run._course.leaving.watch(run._close)
''')
"""
"""The run was set up before there was a shell: it watches the cells from now on."""


def notebook(*cells: str) -> str:
    return _NOTEBOOK + "".join(f"cell('''{text}''')\n" for text in cells)


def test_an_exception_in_a_cell_is_noted_when_the_cell_ends(tmp_path: Path) -> None:
    """The process lives on; the session has failed, and the cell run again goes on from the newest checkpoint."""
    cells = [loop("if s.n == 13: raise ValueError('no such label')"), "print(run.status().ended)", "s.n = 99", loop("")]
    left = script(tmp_path, notebook(*cells), often="4")
    assert "cell ended with ValueError('no such label')" in left.stdout, left.stdout + left.stderr
    assert "\nfailed\n" in left.stdout
    assert "run the cell again" in left.stdout
    assert "finished 30" in left.stdout


def test_an_exception_in_another_cell_means_nothing(tmp_path: Path) -> None:
    """Whatever the user tries out beside a training that was completed or has not begun."""
    body = notebook("1/0", loop("").replace("run.finish()", ""), "1/0", "print('ended:', repr(run.status().ended))")
    left = script(tmp_path, body)
    assert "ended: ''" in left.stdout, left.stdout + left.stderr


def test_a_caught_exception_means_nothing_in_the_end(tmp_path: Path) -> None:
    """A loop that goes on is alive."""
    body = """
for x in run.batches(list(range(12))):
    try:
        if s.n == 5: raise ValueError("caught")
    except ValueError:
        pass
    step()
run.finish()
"""
    assert script(tmp_path, body).returncode == 0
    assert newest_record(tmp_path)["ended"] == "clean"


def test_near_its_limit_a_session_brings_the_newest_state_to_safety(tmp_path: Path) -> None:
    """Then the training goes on; so whatever the cadence, a step of the last minutes is there."""
    run = colab_resume.setup("r", store=tmp_path / "disk", remote=tmp_path / "drive", every=10_000, session_limit=60)
    values = run.state(n=0)
    for _ in run.steps(5):
        values.n += 1
        if values.n == 2:
            assert run.status().safe == 1
            assert run.status().ended == ""
    assert 0 < (run.status().seconds_left or 0) <= 60
    run.finish()
    assert run.status().safe == 5
