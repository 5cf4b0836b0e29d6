"""The forms in a real notebook: a question, a click, the same cell again, and it goes on with the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from display.browser import NOTEBOOK_7, PROJECT, Notebook, chromium, server
from playwright.sync_api import Locator

__all__: list[str] = []

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

BEGIN = """
from colab_resume.colab import asking, importing
from colab_resume.display.forms import forms_if_possible
asking.use(forms_if_possible())
importing.install()
"""
MOUNT = "from google.colab import drive\ndrive.mount({point!r})"
SET_UP = "import colab_resume\nrun = colab_resume.setup('digits', remote={remote!r}, store={store!r}, every=1)"

# Another tab, which works on the run until its input ends.
OTHER = """
import sys
import colab_resume
run = colab_resume.setup("digits", remote=sys.argv[1], store=sys.argv[2], every=1)
for step in run.steps(1):
    pass
run.flush(60)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """Three cells, the first of which has been run."""
    cells = [BEGIN, MOUNT.format(point=str(tmp_path / "drive"))]
    cells += [SET_UP.format(remote=str(tmp_path / "remote"), store=str(tmp_path / "store"))]
    with chromium() as browser, server(NOTEBOOK_7, tmp_path) as address:
        made = Notebook(NOTEBOOK_7, browser.new_page(), address, tmp_path, cells)
        made.run_to_end(0)
        yield made


def run(notebook: Notebook, cell: int) -> Locator:
    """Run a cell; its output, when it has ended."""
    notebook.run_to_end(cell)
    return notebook.output(cell)


@pytest.fixture
def other_tab(tmp_path: Path) -> Iterator[None]:
    """A session that holds the run while the test runs."""
    command = [sys.executable, "-c", OTHER, str(tmp_path / "remote"), str(tmp_path / "others store")]
    env = dict(os.environ) | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()).strip() != "ready":
            assert line
        yield
        process.kill()


def test_answers_given_between_cells_are_found_when_the_cell_runs_again(notebook: Notebook, tmp_path: Path) -> None:
    """A folder to stand for Drive; it counts from the click on."""
    output = run(notebook, 1)
    assert "fill in the form above\n  -> then run this cell again" in output.inner_text()
    assert "Traceback" not in output.inner_text()
    assert not (tmp_path / "chosen").exists()

    field = output.locator(".colab-resume-form input[type=text]")
    assert field.input_value() == str(tmp_path / "jupyter" / "MyDrive")
    field.fill("")
    output.get_by_role("button", name="use this folder").click()
    output.get_by_text("Name a folder.").wait_for()
    field.fill(str(tmp_path / "chosen"))
    output.get_by_role("button", name="use this folder").click()
    output.get_by_text("Noted. Now run this cell again.").wait_for()
    assert output.get_by_role("button", name="use this folder").is_disabled()

    assert f"{tmp_path / 'chosen'} stands for Google Drive" in run(notebook, 1).inner_text()
    assert (tmp_path / "drive" / "MyDrive").resolve() == tmp_path / "chosen"


def test_a_run_that_another_tab_works_on_is_taken_over_after_a_click(notebook: Notebook, other_tab: None) -> None:
    """setup() refuses as ever, and shows the form; after the click the same cell goes on."""
    output = run(notebook, 2)
    output.get_by_text("RunInUse").first.wait_for()
    output.get_by_text("that session stops writing and keeps its checkpoints").wait_for()
    output.get_by_role("button", name="take over").click()
    output.get_by_text("Noted. Now run this cell again.").wait_for()
    text = run(notebook, 2).inner_text()
    assert "Error" not in text
    assert "RunInUse" not in text
    assert "digits" in text
