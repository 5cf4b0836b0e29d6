"""A training is left, anywhere and in any way, and goes on when its cell is run again."""

from __future__ import annotations

from typing import Any

import pytest

from colab.cells import CellFailed
from colab.desk import Desk
from colab.stories import records_in
from colab.watching import OPEN, result, status, steps_on_drive, train, until_at

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_BY_DEFAULT = 'run = colab_resume.setup("story")'


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    "place", ["before setup", "set up", "tracked", "step", "stepped", "validation", "after the loops"]
)
def test_an_interrupt_anywhere_loses_nothing(desk: Desk, undisturbed: dict[str, Any], place: str, times: int) -> None:
    """Once, or twice at once: the same cell run again goes on, and ends as if nobody had touched it."""
    count = {"step": 9, "stepped": 9, "validation": 2}.get(place, 1)
    notebook = desk.boot().open("digits.ipynb")
    cell = train(notebook, meet=[[place, count]])
    until_at(notebook, place, count)
    for _ in range(times):
        notebook.interrupt()
    desk.until(lambda: cell.state != "running" or cell.is_idle, 60, "a rest")
    notebook.settle()
    cell.end_as("unseen")
    # The second one may come while IPython shows the first, and then it shows something else, or nothing; or meet the
    # kernel itself on its way to the answer, which is never sent then.
    assert (cell.error or [""])[0] == "KeyboardInterrupt" or (times == 2 and cell.state != "ok"), cell.report()
    train(notebook, meet=[]).wait().result()
    assert result(notebook.vm) == undisturbed


def test_an_interrupt_while_setup_waits_for_the_consent(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """Nothing is mounted, nothing has begun; the cell run again asks once more."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    vm.weather(latency={"readdir": 1.0, "getattr": 0.3})
    cell = notebook.start(OPEN)
    desk.until(lambda: desk.consents() != [], 30, "a consent", nudge=0.02)
    notebook.interrupt()
    cell.wait()
    assert cell.state == "error"
    notebook.settle()
    vm.weather(latency={})
    train(notebook, meet=[]).wait().result()
    assert result(vm) == undisturbed


def test_an_interrupt_of_finish_leaves_a_run_that_can_be_finished(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """Drive takes nothing, so that it waits; who does not want to wait goes on later."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[["step", 20]])
    until_at(notebook, "step", 20)
    vm.weather(held=True)
    until_at(notebook, "after the loops", 1)
    assert not desk.wait(lambda: cell.state != "running", 1.0)
    notebook.interrupt()
    assert cell.wait(20).error == ("KeyboardInterrupt", "")
    vm.weather(held=False)
    notebook.settle()
    train(notebook, meet=[]).wait().result()
    assert result(vm) == undisturbed
    assert steps_on_drive(desk)[-1] == 24


def test_what_an_interrupt_waits_for_can_be_skipped(desk: Desk) -> None:
    """The boundary is saved on the disk; that it is not on Drive is said, and the second interrupt ends the waiting."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[["step", 8]])
    until_at(notebook, "step", 8)
    vm.weather(offline=True)
    notebook.interrupt()
    cell.until("step 8 is on this disk; waiting up to 20 s")
    notebook.interrupt()
    cell.wait()
    assert "goes on in the background" in cell.text
    vm.weather(offline=False)
    assert status(notebook)["restored"] == 8


def test_how_a_training_ended_is_known_though_its_kernel_died_while_drive_was_away(desk: Desk) -> None:
    """It stands on the VM's disk before anybody waits for Drive."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    cell = train(notebook, meet=[["step", 8]])
    until_at(notebook, "step", 8)
    vm.weather(offline=True)
    notebook.interrupt()
    cell.until("waiting up to 20 s")
    notebook.kill()
    vm.weather(offline=False)
    assert status(notebook)["kinds"][-1] == "stopped by the user"


def test_an_exception_is_shown_unchanged_however_often(desk: Desk, undisturbed: dict[str, Any]) -> None:
    """The user's own error and lines, in each run of the cell; each is noted as what it was."""
    notebook = desk.boot().open("digits.ipynb")
    for place in (["step", 8], ["step", 1], ["step", 1]):
        cell = train(notebook, meet=[], fail=[place]).wait()
        assert cell.error == ("RuntimeError", f"a mistake of the user's at {place}")
        assert "colab_resume/" not in cell.traceback
        notebook.settle()
        assert notebook.value("run.status().ended") == "failed"
    cell = train(notebook, meet=[]).wait()
    assert "it failed at step" in notebook.value("run.status().happened")
    assert result(notebook.vm) == undisturbed
    ends = [one.ended for one in records_in(desk.cloud / "colab_resume" / "story" / "sessions").values()]
    assert sorted(map(str, ends)) == ["clean", "failed", "failed", "failed"]


def test_before_a_session_reaches_its_limit_its_newest_state_is_on_drive(desk: Desk) -> None:
    """Whatever the cadence; and it is said how much is left."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run(OPEN.replace("every=5", "every=1000, session_limit='100 s'"))
    cell = notebook.run("for _ in run.steps(6):\n    left = run.status().seconds_left")
    assert "the session ends in" in cell.text
    assert "is safe; the training goes on" in cell.text
    assert 0 < notebook.value("left") < 100
    assert steps_on_drive(desk)[-1] >= 1


@pytest.mark.parametrize("waits", [True, False])
def test_the_vm_is_given_back_only_when_drive_has_everything(desk: Desk, waits: bool) -> None:
    """As long as Drive has not confirmed the last step the VM stays; it goes in the moment after that."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    train(notebook, meet=[], fail=[["after the loops", 1]]).wait()
    notebook.settle()
    vm.weather(held=True)
    notebook.run("for _ in run.steps(1, name='one more'): pass")
    cell = notebook.start(f"run.finish({'' if waits else 'timeout=0.5, '}disconnect=True)")
    desk.wait(lambda: cell.state != "running", 2.0)
    assert desk.given_back == []
    assert 25 not in steps_on_drive(desk)
    if waits:
        vm.weather(held=False)
        cell.wait()
        assert (cell.state, desk.given_back) == ("gone", [vm.plan.name])
        assert steps_on_drive(desk)[-1] == 25
    else:
        with pytest.raises(CellFailed, match="NotSafe"):
            cell.wait().result()
        assert not vm.is_gone
