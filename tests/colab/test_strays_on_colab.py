"""`torch.save("best.pt")` in a loop: the run goes on on a new VM, and the file will not be there."""

from __future__ import annotations

import pytest

from colab.desk import Desk

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_SETUP = """
import os, torch, colab_resume
run = colab_resume.setup("story")
run.folder("models").mkdir()
net = torch.nn.Linear(2, 1)
run.track(net=net)
os.makedirs("/content/drive/MyDrive/best", exist_ok=True)
"""
_LOOP = """
for epoch in run.epochs({epochs}, name="{path}"):
    for x in run.batches([1.0, 2.0]):
        torch.nn.init.constant_(net.weight, x)
    torch.save(net.state_dict(), "{path}")
"""


def test_a_model_that_goes_with_the_vm_is_told(desk: Desk) -> None:
    """Not what comes back in a folder of the run, nor what lies on Drive."""
    notebook = desk.boot().open("digits.ipynb")
    notebook.run(_SETUP)
    for path in ("models/best.pt", "/content/drive/MyDrive/best/best.pt"):
        assert "a new VM will not have it" not in notebook.run(_LOOP.format(epochs=4, path=path)).text
    told = notebook.run("%cd /content/drive/MyDrive/best\n" + _LOOP.format(epochs=4, path="here.pt")).text
    assert "a new VM will not have it" not in told
    told = notebook.run("%cd /content\n" + _LOOP.format(epochs=4, path="best.pt")).text
    assert told.count("the loop writes best.pt on this VM's disk, and a new VM will not have it") == 1
    assert desk.misuses == []
