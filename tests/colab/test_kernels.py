"""What happens to kernels, and what a browser sees of it."""

from __future__ import annotations

import json
import signal

import pytest

from colab.cells import CellFailed
from colab.desk import Desk
from colab.notebook import Notebook

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

STEPS = "import time\nfor step in range(10**6): print('step', step); time.sleep(0.005)"
RELEASES = {
    "ipykernel": "6.17.1",
    "IPython": "7.34.0",
    "ipywidgets": "7.7.1",
    "jupyter_client": "7.4.9",
    "tornado.version": "6.5.1",
    "traitlets": "5.7.1",
    "zmq": "26.2.1",
}


@pytest.fixture
def notebook(desk: Desk) -> Notebook:
    return desk.boot().open("digits.ipynb")


def messages_of(notebook: Notebook) -> list[str]:
    log = notebook.vm.path("/var/log/colab-jupyter.log").read_text()
    return [json.loads(line)["msg"] for line in log.splitlines()]


def test_kernels_are_of_the_releases_that_colab_ships(notebook: Notebook) -> None:
    notebook.run("import ipykernel, IPython, ipywidgets, jupyter_client, tornado, traitlets, zmq")
    found = {name: notebook.value(name if "." in name else f"{name}.__version__") for name in RELEASES}
    assert found == RELEASES


def test_a_cell_shows_what_it_prints_returns_and_raises(notebook: Notebook) -> None:
    cell = notebook.run("import sys\nprint('out'); print('err', file=sys.stderr); 6 * 7")
    kinds = [(output["output_type"], output.get("name")) for output in cell.outputs]
    assert kinds == [("stream", "stdout"), ("stream", "stderr"), ("execute_result", None)]
    assert cell.shown() == ["42"]
    failed = notebook.run("1 / 0", check=False)
    assert (failed.state, failed.error) == ("error", ("ZeroDivisionError", "division by zero"))
    assert "----> 1 1 / 0" in failed.traceback
    with pytest.raises(CellFailed, match="division by zero"):
        notebook.run("1 / 0")


def test_cells_behind_a_failed_one_are_not_run(notebook: Notebook) -> None:
    first = notebook.start("import time; time.sleep(0.3); 1 / 0")
    second = notebook.start("print('never')")
    assert (first.wait().state, second.wait().state, second.text) == ("error", "aborted", "")


def test_something_can_be_done_while_a_cell_runs(notebook: Notebook) -> None:
    cell = notebook.start(STEPS).until("step 3")
    notebook.vm.path("/content/flag").touch()
    cell.until("step 5")
    assert cell.state == "running"
    notebook.interrupt()
    assert cell.wait().error == ("KeyboardInterrupt", "")
    assert notebook.value("step") >= 5


def test_a_kernel_asks_for_input(notebook: Notebook) -> None:
    notebook.typed.append("yes")
    assert notebook.run("print('said', input('go on? '))").text == "said yes\n"


def test_a_restart_by_hand_keeps_the_vm_and_nothing_in_memory(notebook: Notebook) -> None:
    """The same kernel id and connection file, /content kept; another process, and variables gone."""
    notebook.run("import ipykernel, os; here = 1; open('/content/kept', 'w').write('x')")
    file, pid = notebook.value("ipykernel.get_connection_file()"), notebook.pid
    content = notebook.vm.path(file).read_text()
    notebook.restart()
    # ipykernel 6.17.1 may find its own output thread in its way when it ends: Python then aborts, or it waits for the
    # second means.
    assert notebook.exits[0] in (0, -signal.SIGTERM, -signal.SIGABRT)
    assert notebook.run("print('here' in globals())").text == "False\n"
    notebook.run("import ipykernel, os")
    assert notebook.value("ipykernel.get_connection_file()") == file
    assert notebook.vm.path(file).read_text() == content
    assert notebook.value("os.getpid()") == notebook.pid != pid
    assert notebook.value("os.path.exists('/content/kept')")
    assert messages_of(notebook) == [f"Kernel restarted: {notebook.kernel}"]


def test_a_restart_by_hand_interrupts_first_and_lets_the_kernel_end_in_peace(notebook: Notebook) -> None:
    notebook.run("import atexit; atexit.register(lambda: open('/content/ended', 'w').write('in peace'))")
    cell = notebook.start("import time\ntry:\n    print('it runs'); time.sleep(1000)\n"
                          "except KeyboardInterrupt:\n    open('/content/told', 'w').write('x')")  # fmt: skip
    cell.until("it runs")
    notebook.restart()
    assert cell.state in ("ok", "gone")
    assert notebook.vm.path("/content/told").exists()
    if notebook.exits == [0]:
        assert notebook.vm.path("/content/ended").read_text() == "in peace"


def test_a_kernel_that_does_not_end_is_ended(notebook: Notebook) -> None:
    notebook.run("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    notebook.start("while True:\n    try:\n        print('on'); import time; time.sleep(1000)\n"
                   "    except BaseException: pass").until("on")  # fmt: skip
    notebook.restart(patience=0.2)
    assert notebook.exits == [-signal.SIGKILL]


@pytest.mark.parametrize(("verb", "status"), [("kill", -signal.SIGKILL), ("crash", -signal.SIGSEGV)])
def test_a_kernel_that_dies_is_started_again(notebook: Notebook, verb: str, status: int) -> None:
    pid, cell = notebook.pid, notebook.start(STEPS).until("step 1")
    getattr(notebook, verb)()
    assert cell.state == "gone"
    assert notebook.exits == [status]
    assert notebook.pid != pid
    assert notebook.run("print('here' in globals())").text == "False\n"
    assert "KernelRestarter: restarting kernel (1/5), keep random ports" in messages_of(notebook)
    assert kills_seen_by(notebook) == 0


def test_a_kernel_that_ends_itself_is_started_again(notebook: Notebook) -> None:
    cell = notebook.run("import os; os._exit(3)", check=False)
    assert cell.state == "gone"
    notebook.run("1")
    assert notebook.exits == [3]


def kills_seen_by(notebook: Notebook) -> int:
    notebook.run("import os, pathlib")
    files = notebook.value("[pathlib.Path(name).read_text() for name in os.environ['CGROUP_MEMORY_EVENTS'].split()]")
    counts = {dict(line.split() for line in file.splitlines())["oom_kill"] for file in files}
    assert len(counts) == 1
    return int(counts.pop())


@pytest.mark.usefixtures("needs_memory_limit")
def test_a_vm_that_runs_out_of_memory_loses_the_kernel_and_counts_it(notebook: Notebook) -> None:
    """By the system's own hand; /content stays, as does another kernel."""
    other = notebook.vm.open("other.ipynb")
    cell = notebook.start(STEPS).until("step 1")
    notebook.run_out_of_memory()
    assert (cell.state, notebook.exits, other.exits) == ("gone", [-signal.SIGKILL], [])
    assert kills_seen_by(notebook) == 1
    other.run("1")


@pytest.mark.usefixtures("needs_memory_limit")
def test_a_cell_that_takes_too_much_memory_is_killed(desk: Desk) -> None:
    notebook = desk.boot(memory=96 << 20).open()
    assert notebook.run("hog = [bytes([1]) * (8 << 20) for _ in range(100)]", check=False).state == "gone"
    assert kills_seen_by(notebook) == 1


def test_a_kernel_goes_on_without_its_browser(notebook: Notebook) -> None:
    """What it shows meanwhile is seen by nobody; opened again, the notebook shows what comes from then on."""
    cell = notebook.start(STEPS).until("step 3")
    notebook.disconnect()
    with pytest.raises(RuntimeError, match="not open"):
        notebook.run("1")
    before = len(cell.text)
    notebook.reconnect()
    notebook.vm.desk.until(lambda: len(cell.text) > before, 10, "what comes next")
    assert cell.state == "running"
    notebook.interrupt()
    assert cell.wait().state == "error"


def test_a_cell_that_ended_without_a_browser_ended_unseen(notebook: Notebook) -> None:
    cell = notebook.start("import os; print('it runs')\nwhile not os.path.exists('/content/go'): pass")
    cell.until("it runs")
    # The second cell begins when the first has been answered for.
    notebook.start("open('/content/done', 'w').close()")
    notebook.disconnect()
    notebook.vm.path("/content/go").touch()
    notebook.vm.desk.until(notebook.vm.path("/content/done").exists, 10, "the end", nudge=0.01)
    notebook.reconnect()
    assert cell.wait().state == "unseen"
    notebook.run("1")


def test_a_kernel_that_died_without_a_browser_answers_the_next_one(notebook: Notebook) -> None:
    notebook.disconnect()
    notebook.kill()
    notebook.reconnect()
    assert notebook.run("1").state == "ok"


def test_widgets_are_seen_while_a_cell_runs_and_hear_of_clicks_after_it(notebook: Notebook) -> None:
    notebook.run(
        "import ipywidgets, threading, time\nbar, button = ipywidgets.IntProgress(), ipywidgets.Button()\n"
        "button.on_click(lambda _: clicks.append(1)); clicks = []\nstop = threading.Event()\n"
        "def work():\n    while not stop.wait(0.01): bar.value += 1\nthreading.Thread(target=work).start()"
    )
    [bar] = [each for each, state in notebook.widgets.items() if state["_model_name"] == "IntProgressModel"]
    [button] = [each for each, state in notebook.widgets.items() if state["_model_name"] == "ButtonModel"]
    cell = notebook.start("while not stop.wait(0.01): pass\nprint(len(clicks), 'clicks')")
    seen = notebook.widgets[bar].get("value", 0)
    notebook.click(button)
    notebook.vm.desk.until(lambda: notebook.widgets[bar]["value"] > seen + 2, 10, "a bar that moves")
    assert cell.state == "running"
    notebook.interrupt()
    cell.wait()
    notebook.settle()
    assert notebook.value("len(clicks)") == 1
    notebook.run("stop.set()")


def test_displays_are_updated_where_they_were_shown(notebook: Notebook) -> None:
    cell = notebook.run("from IPython.display import display; shown = display('a', display_id=True)")
    notebook.run("shown.update('b')")
    assert cell.shown() == ["'b'"]


def test_kernels_of_one_vm_do_not_share_random_numbers(desk: Desk) -> None:
    """They are forked from one process, as no kernel on Colab is."""
    vm = desk.boot()
    draws = []
    for name in ("a", "b"):
        notebook = vm.open(name)
        notebook.run("import random, uuid, numpy")
        draws.append(notebook.value("[random.random(), numpy.random.rand(), str(uuid.uuid4())]"))
    assert all(one != other for one, other in zip(*draws, strict=True))


def test_a_training_runs_with_worker_processes(notebook: Notebook) -> None:
    notebook.run("import torch; loader = torch.utils.data.DataLoader(list(range(8)), batch_size=2, num_workers=2)")
    assert notebook.value("[batch.tolist() for batch in loader]") == [[0, 1], [2, 3], [4, 5], [6, 7]]
