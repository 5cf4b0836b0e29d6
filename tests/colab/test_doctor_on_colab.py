"""`colab-resume doctor` on Colab: before Drive is mounted, and when the mount has died."""

from __future__ import annotations

import pytest

from colab.desk import Desk

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_DOCTOR = """
import subprocess, sys
done = subprocess.run([sys.executable, "-m", "colab_resume", "doctor"], capture_output=True, text=True)
print(done.stdout, done.stderr, done.returncode)
"""
_TRAIN = """
import colab_resume
run = colab_resume.setup("story")
for step in run.steps(3):
    run.log(step=step)
run.flush()
"""


def test_it_looks_where_setup_saves_and_mounts_nothing(desk: Desk) -> None:
    """Nobody is asked for consent; when Drive does not answer, what waits on the VM's disk is told."""
    vm = desk.boot()
    notebook = vm.open("digits.ipynb")
    lines = notebook.run(_DOCTOR).text.splitlines()
    assert desk.consents() == []
    assert "  place        Google Colab" in lines
    assert "  storage      Drive is not mounted yet: setup() in a cell does that" in lines
    assert "nothing wrong was found" in lines
    notebook.run(_TRAIN)
    vm.break_drive()
    lines = notebook.run(_DOCTOR).text.splitlines()
    assert "! mount        /content/drive is mounted: Drive's program has died" in lines
    assert "! storage      /content/drive/MyDrive/colab_resume: Transport endpoint is not connected" in lines
    assert any(line.startswith("  disk         story is there up to step 3, saved ") for line in lines)
    assert any(": step 3, " in line for line in lines if line.startswith("  checkpoint "))
    assert desk.misuses == []
