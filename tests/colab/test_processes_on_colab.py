"""Forks, workers, notebooks that a program runs, a front end for one thread only: no deadlock, and one mirror."""

from __future__ import annotations

import json
from typing import Any

import pytest

from colab.desk import Desk
from colab.lesson import CELL, TOLD
from colab.stories import records_in
from colab.watching import OPEN, result, steps_on_drive, train, until_at

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_THREADS = "[thread.name for thread in __import__('threading').enumerate() if thread.name.startswith('colab_resume')]"
_FORK = """
import json, os, threading
reader, writer = os.pipe()
if (pid := os.fork()) == 0:
    said = {"threads": [thread.name for thread in threading.enumerate() if "colab_resume" in thread.name]}
    for name, call in (("log", lambda: run.log(a=1)), ("setup", lambda: colab_resume.setup("story", remote=where))):
        try:
            call()
        except Exception as error:
            said[name] = type(error).__name__
    os.write(writer, json.dumps(said).encode())
    os._exit(0)
os.waitpid(pid, 0)
said = json.loads(os.read(reader, 10_000))
"""
_EXITING_FORK = """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=len, args=("abc",))
child.start()
child.join(20)
code = child.exitcode
"""
_FRAIL = """
import sys, threading
class Frail:
    '''A stream of a front end that takes text from one thread only, as some kernels' do.'''
    def __init__(self, stream):
        self.stream, self.owner, self.broken = stream, threading.get_ident(), []
    def write(self, text):
        if threading.get_ident() != self.owner:
            self.broken.append(threading.current_thread().name)
            raise RuntimeError("not in this thread")
        return self.stream.write(text)
    def flush(self):
        if threading.get_ident() == self.owner:
            self.stream.flush()
    def __getattr__(self, name):
        return getattr(self.stream, name)
sys.stdout, sys.stderr = Frail(sys.stdout), Frail(sys.stderr)
"""
_NBCLIENT = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(open(path).read()) for path in sys.argv[1:]])
NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
print([output.get("text", "") for cell in notebook.cells for output in cell.outputs])
"""


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_of_a_loader_neither_hang_nor_train(
    desk: Desk, undisturbed: dict[str, Any], method: str, workers: int
) -> None:
    """Interrupted in the middle and run again, with workers: bit for bit the same, and none is left."""
    notebook = desk.boot().open("digits.ipynb")
    cell = train(notebook, workers=workers, start_method=method, fail=[["step", 8]], meet=[])
    cell.wait(100)
    notebook.settle()
    notebook.run("import sys, gc; sys.last_value = sys.last_traceback = None; gc.collect()")
    cell = train(notebook, workers=workers, start_method=method, meet=[["step", 5]])
    until_at(notebook, "step", 5)
    cell.wait(100).result()
    assert result(notebook.vm) == undisturbed
    assert len(records_in(desk.cloud / "colab_resume" / "story" / "sessions")) == 2


def test_a_forked_process_has_no_mirror_and_may_not_train(desk: Desk) -> None:
    """It is told so; the run of its parent goes on, and the end of the fork ends nothing."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run(OPEN)
    notebook.run(_FORK)
    assert notebook.value("said") == {"threads": [], "log": "UsageError", "setup": "UsageError"}
    notebook.run(_EXITING_FORK)
    assert notebook.value("code") == 0
    assert notebook.value("run.status().ended") == ""
    assert notebook.value(_THREADS).count("colab_resume-mirror") == 1
    notebook.run("for _ in run.steps(3): pass\nrun.finish()")
    assert steps_on_drive(desk)[-1] == 3
    assert notebook.value(_THREADS) == []


def test_a_file_run_by_a_magic_is_a_cell_like_any_other(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """`%run -i`, which shares the notebook's names, and again after an interrupt."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    setup = OPEN.removeprefix("import colab_resume\n")
    vm.path("/content/lesson.py").write_text(CELL.format(plan={"meet": [["step", 8]], "pace": 0.02}, setup=setup))
    notebook.start("%run -i lesson.py")
    until_at(notebook, "step", 8)
    notebook.interrupt()
    notebook.settle()
    notebook.run("%run -i lesson.py")
    assert result(vm) == undisturbed
    assert len(notebook.value(_THREADS)) == 0


def test_a_front_end_that_no_other_thread_may_speak_to(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """The streams break in other threads: nothing of ours speaks there, also while Drive has trouble."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    notebook.run(_FRAIL)
    cell = train(notebook, meet=[["step", 3]])
    until_at(notebook, "step", 3)
    vm.weather(drive_space=1000)
    until_at(notebook, "step", 20)
    vm.weather(drive_space=None)
    cell.wait().result()
    assert result(vm) == undisturbed
    assert notebook.value("sys.stdout.broken + sys.stderr.broken") == []


def test_a_flood_of_output_stops_nothing(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """Ten megabytes a second of the user's own, in the loop and in a thread beside it, and nobody reads."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    notebook.run(
        "import threading\nstop = threading.Event()\n"
        "def flood():\n    while not stop.wait(0.001): print('x' * 10_000)\n"
        "threading.Thread(target=flood, daemon=True).start()"
    )
    cell = train(notebook, meet=[["step", 3], ["step", 12]])
    until_at(notebook, "step", 3)
    notebook.disconnect()
    until_at(notebook, "step", 12)
    notebook.reconnect()
    until_at(notebook, "after the loops", 1)
    told = vm.path(TOLD)
    desk.until(lambda: "result" in told.read_text().splitlines()[-1], 60, "the result", nudge=0.05)
    assert json.loads(told.read_text().splitlines()[-1])["result"] == undisturbed
    assert cell.state in ("running", "ok", "unseen")


def test_a_notebook_that_a_program_runs(desk: Desk) -> None:
    """nbclient, as CI and papermill do it: no front end answers, so nothing is asked; what is mounted is used."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    notebook.run("from google.colab import drive; drive.mount('/content/drive')")
    for name, text in (("one", OPEN), ("two", "for _ in run.steps(3): pass\nrun.finish()\nprint('finished')")):
        vm.path(f"/content/{name}.py").write_text(text)
    vm.path("/content/client.py").write_text(_NBCLIENT)
    cell = notebook.run("!python client.py one.py two.py", seconds=100)
    assert "finished" in cell.text
    assert steps_on_drive(desk)[-1] == 3
    assert desk.consents() == ["dfs_ephemeral"]
