"""Notebook 1 on Colab's kernels, with Drive mounted by its first cells, on VMs of which one vanishes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from colab.cells import Cell
from colab.desk import Desk
from colab.vm import Vm
from notebooks.machines import filled_in, held

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_INSTALL = "    %pip install -q colab-resume\n"
_NAME = '"digits"'


def run_all(vm: Vm, name: str) -> list[Cell]:
    """Begin all cells, one after the other, under another name for the run.

    Without the installation: what would be installed is there, and no network is.
    """
    cells = filled_in("1_start_here", {"EPOCHS": 24}).cells
    source = "\0".join(cell.source for cell in cells if cell.cell_type == "code")
    assert (source.count(_INSTALL), source.count(_NAME)) == (1, 1)
    notebook = vm.open("start.ipynb")
    return [notebook.start(each) for each in source.replace(_INSTALL, "").replace(_NAME, repr(name)).split("\0")]


def ended(cells: list[Cell]) -> str:
    """What all have printed, when they are done."""
    return "".join(cell.wait().result().text for cell in cells)


def test_on_a_vm_that_vanishes_it_ends_bit_identical(desk: Desk, tmp_path: Path) -> None:
    """Drive is asked for once on each VM; what it has in the end is what it has of a training that nobody touched."""
    on_drive = desk.cloud / "colab_resume"
    alone = run_all(desk.boot(), "alone")
    vm = desk.boot()
    run_all(vm, "lost")
    saved = on_drive / "lost" / "checkpoints"
    desk.until(
        lambda: any(int(path.name[:10]) > 0 for path in saved.glob("*.json")), 60, "a checkpoint on Drive", nudge=0.02
    )
    vm.cut()
    printed = ended(run_all(desk.boot(), "lost"))
    assert re.search(r"restored +step [1-9]\d*, verified, in", printed)
    assert "checkpoints go to /content/drive/MyDrive/colab_resume" in printed
    assert "first start, nothing to restore" in ended(alone)
    assert len(desk.consents()) == 3
    assert held(on_drive / "lost", tmp_path / "found") == held(on_drive / "alone", tmp_path / "expected")
