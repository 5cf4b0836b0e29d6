"""Notebook 1 on Colab's kernels, with Drive mounted by its first cells, on VMs of which the first one vanishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from colab.cells import Cell
from colab.desk import Desk
from colab.notebook import Notebook
from colab.zygote import Zygote
from notebooks.machines import filled_in, held

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]

_EPOCHS = 2
_INSTALL = "    %pip install -q colab-resume\n"


def cells() -> list[str]:
    """Without the installation: what would be installed is there, and no network is."""
    sources = [cell.source for cell in filled_in("1_start_here", {"EPOCHS": _EPOCHS}).cells if cell.cell_type == "code"]
    assert _INSTALL in sources[0]
    return [sources[0].replace(_INSTALL, ""), *sources[1:]]


def run_all(notebook: Notebook) -> list[Cell]:
    return [notebook.run(source) for source in cells()]


def begin(notebook: Notebook) -> Cell:
    """Up to the cell with the loop, which runs on."""
    sources = cells()
    loop = next(number for number, source in enumerate(sources) if "run.epochs" in source)
    for source in sources[:loop]:
        notebook.run(source)
    return notebook.start(sources[loop])


def test_on_a_vm_that_vanishes_it_ends_bit_identical(desk: Desk, desk_zygote: Zygote, tmp_path: Path) -> None:
    """Drive is asked for once on each VM; what it has in the end is what it has of a training that nobody touched."""
    with Desk(tmp_path / "undisturbed", zygote=desk_zygote) as other:
        run_all(other.boot().open("start.ipynb"))
        expected = held(other.cloud / "colab_resume" / "digits", tmp_path / "expected")
    vm = desk.boot()
    begin(vm.open("start.ipynb"))
    on_drive = desk.cloud / "colab_resume" / "digits" / "checkpoints"
    desk.until(lambda: any(on_drive.glob("0000000[1-9]*.json")), 60, "a checkpoint on Drive", nudge=0.02)
    vm.cut()
    printed = "".join(cell.text for cell in run_all(desk.boot().open("start.ipynb")))
    assert ", verified, in" in printed
    assert "checkpoints go to /content/drive/MyDrive/colab_resume" in printed
    assert len(desk.consents()) == 2
    assert held(desk.cloud / "colab_resume" / "digits", tmp_path / "found") == expected
