"""The panel's own life: what it sends, when, and what it does when something goes wrong; without a front end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from display.panel_scene import MOMENTS
from ipywidgets import HTML, Widget

from colab_resume.display.panel import Panel, open_panel
from colab_resume.display.style import STYLE
from colab_resume.status import Status
from colab_resume.testing import ManualClock

PROJECT = Path(__file__).parent.parent.parent


class Sent:
    """What widgets are told to show, as it is told to them."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def watch(self, panel: Panel) -> None:
        for part in panel._card._parts.values():
            part.observe(lambda change: self.values.append(change["new"]), "value")


class Seen:
    """What the panel looks at."""

    def __init__(self, moment: str = "after a VM loss") -> None:
        self.status = MOMENTS[moment]()
        self.error: Exception | None = None
        self.threads: set[str] = set()
        self.looks = 0
        self.looked = threading.Event()

    def __call__(self) -> Status:
        self.threads.add(threading.current_thread().name)
        self.looks += 1
        if self.looks > 2:
            self.looked.set()
        if self.error is not None:
            raise self.error
        return self.status


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def panel(seen: Seen, clock: ManualClock) -> Iterator[Panel]:
    panel = Panel(seen, clock=clock)
    yield panel
    panel.close()


def shown(panel: Panel) -> str:
    return "".join(part.value for part in panel._card._parts.values())


def tick(panel: Panel) -> None:
    """What its thread does."""
    panel._draw(panel._seen(), pictures=False)


def test_it_shows_what_is_seen(panel: Panel) -> None:
    """All of it, at once."""
    for text in ("step 1242", "Safe on Drive", "new VM: the last one went silent", "25 of 25 losses", "<svg"):
        assert text in shown(panel)


def test_only_core_controls_are_used(panel: Panel) -> None:
    """Colab and every other front end has these; nothing is fetched."""
    box = panel._card._box
    models = {(widget._model_module, widget._model_name) for widget in (box, *box.children)}
    assert models == {("@jupyter-widgets/controls", "VBoxModel"), ("@jupyter-widgets/controls", "HTMLModel")}
    assert "http" not in STYLE
    assert "@import" not in STYLE


def test_what_has_not_changed_is_not_sent(panel: Panel, seen: Seen) -> None:
    """And of what has changed, only the part in which it has."""
    sent = Sent()
    sent.watch(panel)
    tick(panel)
    assert sent.values == []
    seen.status = replace(seen.status, disk_free=1_000_000_000)
    tick(panel)
    assert [("1.0 GB free" in value, "cr-facts" in value) for value in sent.values] == [(True, True)]


def test_a_picture_is_drawn_anew_only_now_and_then(panel: Panel, seen: Seen, clock: ManualClock) -> None:
    """But at once for who asks for it."""
    assert seen.status.curve is not None
    sent = Sent()
    sent.watch(panel)
    seen.status = replace(seen.status, curve=replace(seen.status.curve, restarts=()))
    tick(panel)
    assert sent.values == []
    clock.advance(10.0)
    tick(panel)
    assert len(sent.values) == 1
    seen.status = replace(seen.status, curve=None)
    panel.refresh()
    assert len(sent.values) == 2


def test_its_own_thread_looks_while_others_work(panel: Panel, seen: Seen) -> None:
    """Without being asked."""
    assert seen.looked.wait(30)
    assert "colab_resume-panel" in seen.threads


def test_the_last_state_stays_when_it_is_closed(panel: Panel, seen: Seen) -> None:
    """Its thread is gone, and what is seen later changes nothing."""
    assert panel.close(replace(seen.status, ended="clean"))
    assert "finished" in shown(panel)
    panel.refresh()
    assert panel.close()
    assert "finished" in shown(panel)
    assert not [thread for thread in threading.enumerate() if thread.name == "colab_resume-panel"]


def test_a_look_that_fails_is_told_once_and_shown(panel: Panel, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """The training is not disturbed, and what was known stays visible, marked as old."""
    seen.error = OSError("no such luck")
    with caplog.at_level(logging.WARNING):
        panel.refresh()
        panel.refresh()
    assert len(caplog.messages) == 1
    assert "no such luck" in caplog.messages[0]
    assert "step 1242" in shown(panel)
    assert "this is old: OSError" in shown(panel)
    seen.error = None
    panel.refresh()
    assert "this is old" not in shown(panel)


def test_a_widget_that_fails_disturbs_nobody(panel: Panel, seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once; later changes are shown."""

    def fail(change: object) -> None:
        raise RuntimeError("the line is dead")

    facts: HTML = panel._card._parts["facts"]
    facts.observe(fail, "value")
    seen.status = replace(seen.status, disk_free=5)
    with caplog.at_level(logging.WARNING):
        panel.refresh()
        panel.refresh()
    assert [message for message in caplog.messages if "the line is dead" in message]
    assert len(caplog.messages) == 1


def test_a_front_end_that_takes_nothing_holds_nobody(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever finds the panel busy for long goes on without it."""
    monkeypatch.setattr("colab_resume.display.panel.CLOSE_SECONDS", 0.01)
    with panel._drawing:
        panel.refresh()
        assert panel.close(timeout=30)


def test_a_forked_child_leaves_it_alone(panel: Panel) -> None:
    """Even if the fork came while something was being drawn."""
    with panel._drawing:
        child = os.fork()
        if child == 0:
            panel.refresh()
            panel.show()
            os._exit(0 if panel.close() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_a_notebook_there_is_none(seen: Seen) -> None:
    """IPython in this process is no kernel."""
    assert open_panel(seen) is None
    assert seen.looks == 0


def test_a_process_without_ipython_stays_without_it() -> None:
    """Asking for a panel imports neither it nor ipywidgets, and a process with a panel ends when its work does."""
    lines = (
        "import sys; from colab_resume.display.panel import Panel, open_panel; from colab_resume.status import Status\n"
        "assert open_panel(lambda: Status(run='r', session='s')) is None\n"
        "assert not {'IPython', 'ipywidgets', 'torch'} & set(sys.modules)\n"
        "Panel(lambda: Status(run='r', session='s'))\n"
    )
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=60, cwd=PROJECT)


@pytest.mark.parametrize("broken", ["raise ImportError('none')", "raise OSError('half installed')", "x = None"])
def test_broken_widgets_are_no_widgets(broken: str, tmp_path: Path) -> None:
    """Missing, half installed or of another make: there are lines instead of a panel."""
    (tmp_path / "ipywidgets.py").write_text(broken)
    (tmp_path / "IPython.py").write_text("class Shell: kernel = 1\ndef get_ipython(): return Shell()")
    lines = (
        "import IPython; from colab_resume.display.panel import open_panel; from colab_resume.status import Status\n"
        "assert open_panel(lambda: Status(run='r', session='s')) is None\n"
    )
    path = os.pathsep.join([str(tmp_path), str(PROJECT)])
    subprocess.run([sys.executable, "-c", lines], check=True, timeout=60, env={**os.environ, "PYTHONPATH": path})


def test_a_tick_costs_little(panel: Panel, seen: Seen, clock: ManualClock) -> None:
    """Two a second, beside a training; generous, for a busy machine."""
    panel._closing.set()
    panel._thread.join()
    panel._closing.clear()
    assert _cost(lambda step: tick(panel)) < 0.002

    def change(step: int) -> None:
        clock.advance(10.0)
        seen.status = replace(
            MOMENTS["mid-run" if step % 2 else "after a VM loss"](), step=step, disk_free=step, problems=(str(step),)
        )
        tick(panel)

    assert _cost(change) < 0.02


def _cost(tick: Callable[[int], None]) -> float:
    times = 100
    begin = time.process_time()
    for step in range(times):
        tick(step)
    return (time.process_time() - begin) / times


@pytest.fixture(autouse=True, scope="module")
def _no_widgets_are_left() -> Iterator[None]:
    yield
    Widget.close_all()
