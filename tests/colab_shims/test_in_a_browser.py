"""The forms in a real notebook: a question, a click, the same cell again, and it goes on with the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from colab_shims.browsing import opened, run, served, why_no_browser

pytestmark = pytest.mark.slow

BEGIN = """
from colab_resume.colab import asking, importing
from colab_resume.display.forms import forms_if_possible
asking.use(forms_if_possible())
importing.install()
"""
MOUNT = "from google.colab import drive\ndrive.mount({point!r})"
TAKE_OVER = "print('taken over:', asking.takeover('digits', 'session k3f9a2 on vm-1, since step 7'))"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    """A notebook with three cells, the first of which has been run."""
    if why := why_no_browser():
        pytest.skip(why)
    cells = [BEGIN, MOUNT.format(point=str(tmp_path / "drive")), TAKE_OVER]
    with served(tmp_path, cells) as address, opened(address) as page:
        run(page, 0)
        yield page


def test_answers_given_between_cells_are_found_when_the_cell_runs_again(page: Any, tmp_path: Path) -> None:
    """A folder to stand for Drive, then a takeover; neither counts before the click, nor twice."""
    output = run(page, 1)
    assert "fill in the form above\n  -> then run this cell again" in output.inner_text()
    assert "Traceback" not in output.inner_text()
    assert not (tmp_path / "chosen").exists()

    field = output.locator(".colab-resume-form input[type=text]")
    assert field.input_value() == str(tmp_path / "MyDrive")
    field.fill("")
    output.get_by_role("button", name="use this folder").click()
    output.get_by_text("Name a folder.").wait_for()
    field.fill(str(tmp_path / "chosen"))
    output.get_by_role("button", name="use this folder").click()
    output.get_by_text("Noted. Now run this cell again.").wait_for()
    assert output.get_by_role("button", name="use this folder").is_disabled()

    assert f"{tmp_path / 'chosen'} stands for Google Drive" in run(page, 1).inner_text()
    assert (tmp_path / "drive" / "MyDrive").resolve() == tmp_path / "chosen"

    output = run(page, 2)
    assert "taken over: False" in output.inner_text()
    assert "run 'digits': session k3f9a2 on vm-1, since step 7." in output.inner_text()
    output.get_by_role("button", name="take over").click()
    output.get_by_text("Noted. Now run this cell again.").wait_for()
    assert "taken over: True" in run(page, 2).inner_text()
    assert "taken over: False" in run(page, 2).inner_text()
