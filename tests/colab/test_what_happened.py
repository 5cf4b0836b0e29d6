"""What `setup` says happened since the last sign of life, for each thing that happens to trainings on Colab."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from colab.cells import Cell
from colab.desk import Desk
from colab.lesson import TOLD
from colab.notebook import Notebook
from colab.stories import records_in
from colab.watching import OPEN, STATUS, began_by_on_drive, status, train, until_at

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]


def interrupted(notebook: Notebook, cell: Cell) -> Notebook:
    notebook.interrupt()
    cell.wait()
    return notebook


def failed(notebook: Notebook, cell: Cell) -> Notebook:
    cell.wait()
    return notebook


def finished(notebook: Notebook, cell: Cell) -> Notebook:
    cell.wait().result()
    return notebook


def killed(notebook: Notebook, cell: Cell) -> Notebook:
    notebook.kill()
    return notebook


def crashed(notebook: Notebook, cell: Cell) -> Notebook:
    notebook.crash()
    return notebook


def starved(notebook: Notebook, cell: Cell) -> Notebook:
    notebook.run_out_of_memory()
    return notebook


def restarted(notebook: Notebook, cell: Cell) -> Notebook:
    """When nothing runs: else the restart's own interrupt is what ends the training."""
    cell.wait()
    notebook.restart()
    return notebook


def on_a_new_vm(end: Callable[[Notebook, Cell], Notebook] | None) -> Callable[[Notebook, Cell], Notebook]:
    def moved(notebook: Notebook, cell: Cell) -> Notebook:
        began_by_on_drive(notebook.vm.desk, "first start")
        if end is not None:
            end(notebook, cell)
        notebook.vm.cut()
        return notebook.vm.desk.boot().open(notebook.name)

    return moved


CASES: dict[str, tuple[Callable[[Notebook, Cell], Notebook], dict[str, Any], str, str]] = {
    "stopped by the user": (interrupted, {}, "you stopped it at step 8, .* ago", ""),
    "failed": (
        failed,
        {"fail": [["step", 8]]},
        "it failed at step .*RuntimeError: a mistake of the user's",
        "mend that",
    ),
    "finished": (finished, {}, "it had finished at step 24, .* ago", ""),
    "kernel restarted": (restarted, {"fail": [["after the loops", 1]]}, "the kernel was restarted; the last sign", ""),
    "out of memory": (starved, {}, "the kernel ran out of memory .* ago", "smaller batch"),
    "kernel crashed": (crashed, {}, "the kernel died .* it crashed, or something killed it", "View runtime logs"),
    "kernel killed": (killed, {}, "the kernel died .* it crashed, or something killed it", "View runtime logs"),
    "new VM after silence": (on_a_new_vm(None), {}, "new VM: the last one went silent .* ago", ""),
    "new VM after a clean end": (on_a_new_vm(finished), {}, "new VM: the last one finished .* ago", ""),
    "new VM after an interrupt": (on_a_new_vm(interrupted), {}, "new VM: the last one was stopped by you .* ago", ""),
    "new VM after a failure": (
        on_a_new_vm(failed),
        {"fail": [["step", 8]]},
        "new VM: the last one failed .*RuntimeError: a mistake",
        "mend that",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_end_is_told_from_the_others(desk: Desk, case: str, needs_memory_limit: None) -> None:
    """In words, in what to do, and in the record that others read."""
    end, plan, text, advice = CASES[case]
    kind = {"kernel killed": "kernel crashed"}.get(case, case)
    notebook = desk.boot().open("digits.ipynb")
    cell = train(notebook, **plan)
    if "fail" not in plan:
        until_at(notebook, "step", 8)
    notebook = end(notebook, cell)
    told = status(notebook)
    assert re.fullmatch(f"{text}.*", told["happened"]), told
    assert advice in told["advice"]
    assert bool(advice) == bool(told["advice"])
    assert told["kinds"] == ["first start", kind]
    assert told["restarts"] == 1
    began_by_on_drive(desk, kind)


def test_a_first_start_and_a_cell_that_is_run_again(desk: Desk) -> None:
    """The second is the same session: nothing is asked, nothing is waited for, nothing is counted."""
    notebook = desk.boot().open("digits.ipynb")
    first = status(notebook)
    notebook.run(OPEN)
    again = notebook.value(STATUS)
    assert first == again
    assert (first["happened"], first["advice"]) == ("first start, nothing to restore", "")
    assert (first["kinds"], first["restarts"], first["lost_steps"]) == (["first start"], 0, 0)
    assert desk.consents() == ["dfs_ephemeral"]
    began_by_on_drive(desk, "first start")
    assert len(records_in(desk.cloud / "colab_resume" / "story" / "sessions")) == 1


def test_what_was_lost_is_counted(desk: Desk) -> None:
    """Steps and seconds since the newest checkpoint, as far as signs of life tell."""
    notebook = desk.boot().open("digits.ipynb")
    cell = train(notebook, pace=0.1, meet=[["step", 14]])
    until_at(notebook, "step", 14)
    killed(notebook, cell)
    told = status(notebook)
    assert told["restored"] in (10, 12)  # the end of an epoch is saved where that is cheap
    assert told["lost_steps"] == 13 - told["restored"]
    assert told["lost_steps"] * 0.1 <= told["lost_seconds"] <= told["lost_steps"] * 2
    assert told["kinds"] == ["first start", "kernel crashed"]


def test_deaths_in_a_row_are_counted(desk: Desk, needs_memory_limit: None) -> None:
    """Three times out of memory is no accident."""
    notebook = desk.boot().open("digits.ipynb")
    for number in (1, 2, 3):
        cell = train(notebook, meet=[["step", 2]])
        notebook.vm.path(TOLD).unlink(missing_ok=True)
        until_at(notebook, "step", 2)
        starved(notebook, cell)
        assert ("in a row" in status(notebook)["happened"]) == (number > 1)
    assert "for the 3rd time in a row" in status(notebook)["happened"]
