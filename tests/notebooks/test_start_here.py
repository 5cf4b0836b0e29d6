"""Notebook 1 in the hands of people: stopped, killed where an epoch ends, opened again when all is done."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from display.browser import NOTEBOOK_7, Notebook, chromium, server
from nbclient.exceptions import CellExecutionError, DeadKernelError
from notebooks.machines import Held, Machine, held

__all__: list[str] = []

# One worker, so that there is one undisturbed training; and the cores are shared, so that it takes as long as it takes.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(300)]

EPOCHS = 11
STEPS_PER_EPOCH = 90
LAST_STEP = EPOCHS * STEPS_PER_EPOCH


def machine_in(folder: Path) -> Machine:
    return Machine(folder, "1_start_here", {"EPOCHS": EPOCHS})


def trained(machine: Machine) -> Held:
    return held(machine.drive / "digits", machine.folder / "scratch")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, str]:
    """The notebook once, from the first cell to the last, and what it printed."""
    machine = machine_in(tmp_path_factory.mktemp("undisturbed"))
    with machine.kernel() as kernel:
        return machine, kernel.run_all()


@pytest.fixture(scope="module")
def expected(undisturbed: tuple[Machine, str]) -> Held:
    """What every disturbed training has to end with."""
    return trained(undisturbed[0])


def test_the_notebook_runs_to_its_end(undisturbed: tuple[Machine, str], expected: Held) -> None:
    """A first start without an error or a warning: it trains, and all is on the remote when it says so."""
    _, printed = undisturbed
    assert "first start, nothing to restore" in printed
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed
    assert len(expected.logged) == LAST_STEP + LAST_STEP // STEPS_PER_EPOCH


def test_a_new_machine_finds_the_finished_training(
    undisturbed: tuple[Machine, str], expected: Held, tmp_path: Path
) -> None:
    """With the same remote and an empty disk nothing is trained again, and nothing of what was learned changes."""
    machine = machine_in(tmp_path)
    shutil.copytree(undisturbed[0].drive, machine.drive)
    with machine.kernel() as kernel:
        printed = kernel.run_all()
    assert f"restored   step {LAST_STEP}, verified" in printed
    assert "epoch " not in printed
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed
    assert trained(machine) == expected


def check_went_on(printed: str, where: str) -> int:
    """From this step on, and in its epoch; the step."""
    _, step, after = re.split(where, printed)
    assert 0 < int(step) < LAST_STEP
    first_epoch = re.search(r"^epoch +(\d+) ", after, re.MULTILINE)[1]
    assert int(first_epoch) == int(step) // STEPS_PER_EPOCH
    return int(step)


def test_stopped_and_killed_and_moved_it_ends_bit_identical(expected: Held, tmp_path: Path) -> None:
    """The stop button, SIGKILL, SIGKILL and the loss of the VM, each followed by all cells; in the end each cell twice.

    The tenth epoch ends where a checkpoint is due: then no batch is left, and its accuracy is still to be measured.
    """
    machine = machine_in(tmp_path)
    with machine.kernel() as kernel:
        kernel.signal_after(2, signal.SIGINT)
        with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
            kernel.run_all()
        kernel.signal_after(5, signal.SIGKILL)
        with pytest.raises(DeadKernelError):
            kernel.run_all()
    check_went_on(kernel.text, r"it was interrupted: back to step (\d+)")
    with machine.kernel() as kernel, pytest.raises(DeadKernelError):
        kernel.signal_after(9, signal.SIGKILL)
        kernel.run_all()
    check_went_on(kernel.text, r"restored +step (\d+), verified")
    machine.lose_disk()
    with machine.kernel() as kernel:
        printed = kernel.run_all(times=2)
    step = check_went_on(kernel.text, r"restored +step (\d+), verified")
    assert re.search(rf"{LAST_STEP} losses; restarted before steps \[\d+, \d+, {step + 1}\]", printed)
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed
    assert trained(machine) == expected


_SEES_AN_EPOCH = "number => document.body.innerText.includes(`epoch ${number} `)"


@pytest.mark.browser
def test_in_a_browser_it_is_run_and_lost_and_run_again(
    expected: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By "Run all" and nothing else; the page of the second machine shows what has happened, and that all is safe."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in the training that it is compared with
    machine = machine_in(tmp_path)
    with server(NOTEBOOK_7, tmp_path) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 1600})
        notebook = Notebook(NOTEBOOK_7, page, address, tmp_path, machine.notebook, name="start_here")
        notebook.run_all()
        page.wait_for_function(_SEES_AN_EPOCH, arg=" 3")
        notebook.panel.first.screenshot(path=tmp_path / "training.png")
        for kernel in _kernels_in(tmp_path):
            os.kill(kernel, signal.SIGKILL)
        page.wait_for_selector("text=appears to have died")
        page.close()
    shutil.rmtree(tmp_path / "jupyter")
    with server(NOTEBOOK_7, tmp_path) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 1600})
        notebook = Notebook(NOTEBOOK_7, page, address, tmp_path, machine.notebook, name="start_here")
        notebook.run_all()
        page.wait_for_selector(f"text=finished at step {LAST_STEP}")
        text = notebook.panel.first.inner_text()
        page.screenshot(path=tmp_path / "after_a_loss.png", full_page=True)
        notebook.panel.first.screenshot(path=tmp_path / "panel.png")
    assert re.search(r"step [1-9]\d*, verified", text)
    assert f"step {LAST_STEP}" in text
    assert trained(machine) == expected


def _kernels_in(folder: Path) -> list[int]:
    """The processes of a server whose folder this is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode().split("\0")
        except OSError:
            continue  # it has ended meanwhile
        if "ipykernel_launcher" in command and any(part.startswith(str(folder)) for part in command):
            found.append(int(path.parent.name))
    return found
