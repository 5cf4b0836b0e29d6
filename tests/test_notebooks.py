"""The notebook is run as people run it: all cells, in a real kernel that is stopped, killed, or starts on a new VM."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from run_folders import manifests

from colab_resume.export import Export
from colab_resume.training.journal import Mark, history

__all__: list[str] = []

# One worker, so that there is one undisturbed training; and the cores are shared, so that it takes as long as it takes.
pytestmark = [pytest.mark.xdist_group("notebooks"), pytest.mark.timeout(300)]

PROJECT = Path(__file__).parent.parent
DIGITS = PROJECT / "notebooks" / "digits.ipynb"
LAST_STEP = 1800
STEPS_PER_EPOCH = 90

notebook: Callable[[str], str] = runpy.run_path(str(PROJECT / "notebooks" / "build.py"))["notebook"]


class Kernel(NotebookClient):
    """Runs the cells of a notebook, and hands on what they print at the moment they print it."""

    printed: Callable[[str], None] = staticmethod(lambda text: None)

    def process_message(self, msg: dict[str, Any], *where: Any) -> Any:
        if msg["msg_type"] == "stream":
            self.printed(msg["content"]["text"])
        return super().process_message(msg, *where)

    def run_all(self) -> str:
        """Gives what was printed; anything printed to stderr is a failure."""
        for number, cell in enumerate(self.nb.cells):
            self.execute_cell(cell, number)
        outputs = [output for cell in self.nb.cells for output in cell.get("outputs", ())]
        assert "stderr" not in {output.get("name") for output in outputs}, outputs
        return "".join(output.text for output in outputs if output.output_type == "stream")

    def signal_after(self, epoch: int, number: signal.Signals) -> None:
        """Send the kernel this signal when the end of this epoch is printed; once."""

        def watch(text: str) -> None:
            if re.search(rf"^epoch +{epoch} ", text, re.MULTILINE):
                del self.printed
                os.kill(self.km.provisioner.pid, number)

        self.printed = watch


@dataclass(frozen=True)
class Machine:
    """A home folder, and a folder with the notebook in it; the remote lies there too, and outlives the machine."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "my_drive" / "digits"

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        env = {
            **os.environ,
            "HOME": str(home),
            "OMP_NUM_THREADS": "1",  # tests share the cores
            "PYTHONPATH": str(PROJECT),
            "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm, in every notebook where there is no ipywidgets
        }
        kernel = Kernel(nbformat.read(DIGITS, as_version=4), timeout=240)
        with kernel.setup_kernel(cwd=str(self.folder), env=env):
            yield kernel

    def lose_disk(self) -> None:
        store = self.folder / "home" / ".colab_resume" / "digits"
        assert (store / "checkpoints").is_dir()
        shutil.rmtree(store.parent)


@dataclass(frozen=True)
class Trained:
    """What a training has left on the remote."""

    logged: list[bytes]
    weights: bytes = field(repr=False)


def trained(machine: Machine) -> Trained:
    newest = manifests(machine.run)[-1]
    found = history(machine.run / "journal", Mark.from_json(newest.journal))
    assert not found.flaws
    weights = machine.folder / "weights.safetensors"
    Export(weights, parts=("model",)).write(newest, lambda pack: machine.run / "packs" / pack, lambda size: None)
    return Trained([record.line() for record in found.records], weights.read_bytes())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, str]:
    """The notebook once, from the first cell to the last, and what it printed."""
    machine = Machine(tmp_path_factory.mktemp("undisturbed"))
    with machine.kernel() as kernel:
        return machine, kernel.run_all()


@pytest.fixture(scope="module")
def expected(undisturbed: tuple[Machine, str]) -> Trained:
    """What every disturbed training has to end with."""
    return trained(undisturbed[0])


def test_the_notebook_is_what_its_source_makes() -> None:
    """Nobody edits the .ipynb, and no output is ever in it: it is, byte by byte, what notebooks/build.py makes."""
    content = DIGITS.read_text("utf-8")
    assert content == notebook(DIGITS.with_suffix(".py").read_text("utf-8"))
    nbformat.validate(nbformat.reads(content, as_version=4))


def test_a_source_becomes_cells() -> None:
    """Text loses its comment signs, a magic becomes one, and a cell has no output."""
    cells = nbformat.reads(
        notebook("# %% [markdown]\n# # One\n#\n# two\n\n# %%\nif x:\n    # %pip install y\n"), 4
    ).cells
    assert [(cell.cell_type, cell.source) for cell in cells] == [
        ("markdown", "# One\n\ntwo"),
        ("code", "if x:\n    %pip install y"),
    ]
    assert cells[1].outputs == []


@pytest.mark.parametrize("source", ["x = 1\n", "# %% [raw]\nx\n", "# %% [markdown]\nx = 1\n"])
def test_what_is_no_source_is_refused(source: str) -> None:
    """Code before the first cell, an unknown kind of cell, code in a text."""
    with pytest.raises(ValueError, match=r"x = 1|\[raw\]"):
        notebook(source)


@pytest.mark.slow
def test_the_notebook_runs_to_its_end(undisturbed: tuple[Machine, str], expected: Trained) -> None:
    """A first start without an error or a warning: it trains, and all is on the remote when it says so."""
    _, printed = undisturbed
    assert "first start, nothing to restore" in printed
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed
    assert len(expected.logged) == LAST_STEP + LAST_STEP // STEPS_PER_EPOCH


@pytest.mark.slow
def test_a_new_machine_finds_the_finished_training(
    undisturbed: tuple[Machine, str], expected: Trained, tmp_path: Path
) -> None:
    """With the same remote and an empty disk nothing is trained again, and nothing of what was learned changes."""
    machine = Machine(tmp_path)
    shutil.copytree(undisturbed[0].run, machine.run)
    with machine.kernel() as kernel:
        printed = kernel.run_all()
    assert f"restored   step {LAST_STEP}, verified" in printed
    assert "epoch " not in printed
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed
    assert trained(machine) == expected


def check_went_on(printed: str, where: str) -> None:
    """From this step on, in its epoch, and up to the end; the history says so too."""
    step = int(re.search(where, printed)[1])
    assert 0 < step < LAST_STEP
    first_epoch = re.search(r"^epoch +(\d+) ", printed, re.MULTILINE)[1]
    assert int(first_epoch) == step // STEPS_PER_EPOCH
    assert f"{LAST_STEP} losses; restarted before steps [{step + 1}]" in printed
    assert f"finished at step {LAST_STEP}, saved: checkpoints go to my_drive" in printed


@pytest.mark.slow
@pytest.mark.parametrize(("epoch", "disk"), [(9, "lost"), (12, "kept")])
def test_a_killed_kernel_ends_bit_identical(epoch: int, disk: str, expected: Trained, tmp_path: Path) -> None:
    """SIGKILL in mid-training, then all cells in a new kernel: the same losses and weights, bit by bit.

    The tenth epoch ends where a checkpoint is due: then no batch is left, and its accuracy is still to be measured.
    """
    machine = Machine(tmp_path)
    with machine.kernel() as kernel, pytest.raises(DeadKernelError):
        kernel.signal_after(epoch, signal.SIGKILL)
        kernel.run_all()
    if disk == "lost":
        machine.lose_disk()
    with machine.kernel() as kernel:
        check_went_on(kernel.run_all(), r"restored +step (\d+), verified")
    assert trained(machine) == expected


@pytest.mark.slow
def test_a_stopped_loop_ends_bit_identical(expected: Trained, tmp_path: Path) -> None:
    """Jupyter's stop button, then all cells in the same kernel: the same losses and weights, bit by bit."""
    machine = Machine(tmp_path)
    with machine.kernel() as kernel:
        kernel.signal_after(6, signal.SIGINT)
        with pytest.raises(CellExecutionError, match="KeyboardInterrupt"):
            kernel.run_all()
        check_went_on(kernel.run_all(), r"it was interrupted: back to step (\d+)")
    assert trained(machine) == expected
