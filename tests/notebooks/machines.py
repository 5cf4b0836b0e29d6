"""Notebooks as people run them: all cells, in a real kernel, on a machine that dies and whose disk is lost.

A `Machine` has a home, a working folder and the remote in it, which alone outlives the machine. `held` is what lies on
the remote in the end, down to the last bit.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import torch
from nbclient import NotebookClient
from run_folders import manifests
from safetensors.torch import load_file

from colab_resume.checkpoints.parts import parts_of
from colab_resume.export import Export
from colab_resume.folders.shelf import Shelf
from colab_resume.remotes.folder import FolderRemote
from colab_resume.training.journal import Mark, history

__all__ = ["Held", "Kernel", "Machine", "NOTEBOOKS", "PROJECT", "filled_in", "held"]

PROJECT = Path(__file__).parents[2]
NOTEBOOKS = PROJECT / "notebooks"
_DRIVE = "my_drive"
_RUN_AGAIN = " is over ("  # said of a loop whose cell is run again when it has come to its end
_GENERATORS = ("run.rng", "run.loops")
_GRADIENTS = "gradients"
_LEFT_OUT = ("runtime", "per_second", _GRADIENTS)

# The run is watched as the panel watches it, from a thread: so it dies anywhere in a step, not at a boundary.
_DIES = """
def _watched():
    import os, signal, threading

    names, pause = get_ipython().user_ns, threading.Event()

    def watch():
        while not pause.wait(0.002):
            try:
                if {when}:
                    os.killpg(0, signal.SIGKILL)
            except Exception:
                pass  # there is no run yet

    threading.Thread(target=watch, daemon=True).start()

_watched()
"""


class Kernel(NotebookClient):
    """Runs the cells of a notebook, and hands on what they print at the moment they print it; `text` is all of it."""

    text: str = ""
    printed: Callable[[str], None] = staticmethod(lambda text: None)

    def process_message(self, msg: dict[str, Any], *where: Any) -> Any:
        if msg["msg_type"] == "stream":
            self.text += msg["content"]["text"]
            self.printed(msg["content"]["text"])
        return super().process_message(msg, *where)

    def run_all(self, *, times: int = 1) -> str:
        """Each cell so often; gives what was printed. Anything printed to stderr is a failure, but for one remark."""
        outputs: list[Any] = []
        for number, cell in enumerate(self.nb.cells):
            for _ in range(times):
                self.execute_cell(cell, number)
                outputs += cell.get("outputs", ())
        errors = [output.text for output in outputs if output.get("name") == "stderr"]
        assert [text for text in errors if times == 1 or _RUN_AGAIN not in text] == [], errors
        return "".join(output.text for output in outputs if output.output_type == "stream")

    def die_when(self, condition: str) -> None:
        """With all that it has started, as soon as this holds; `names` are those of the notebook."""
        self.execute_cell(nbformat.v4.new_code_cell(_DIES.format(when=condition)), 0)

    def move_to(self, machine: Machine) -> None:
        """From now on this kernel is one of that machine; so what it has imported need not be imported again."""
        machine.home.mkdir(parents=True, exist_ok=True)
        there = f"%reset -f\n%cd -q {machine.folder}\n%env HOME={machine.home}"
        self.execute_cell(nbformat.v4.new_code_cell(there), 0)
        self.nb = machine.notebook

    def signal_after(self, epoch: int, number: signal.Signals) -> None:
        """Send the kernel this signal when the end of this epoch is printed; once."""

        def watch(text: str) -> None:
            if re.search(rf"^epoch +{epoch} ", text, re.MULTILINE):
                del self.printed
                os.kill(self.km.provisioner.pid, number)

        self.printed = watch


def filled_in(name: str, form: Mapping[str, object]) -> nbformat.NotebookNode:
    """The notebook of this name, with other values in the fields of its forms."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for field_name, value in form.items():
        changed = 0
        for cell in notebook.cells:
            cell.source, count = re.subn(
                rf"^{field_name} = .*?(?=  # @param )", f"{field_name} = {value!r}", cell.source, flags=re.MULTILINE
            )
            changed += count
        assert changed == 1, f"{name} has {changed} fields named {field_name}"
    return notebook


@dataclass(frozen=True)
class Machine:
    """A home folder, and a folder to work in; the remote lies there too, and outlives the machine."""

    folder: Path
    name: str
    form: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def drive(self) -> Path:
        return self.folder / _DRIVE

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def notebook(self) -> nbformat.NotebookNode:
        """As it is when it is opened, with its form filled in."""
        return filled_in(self.name, self.form)

    @contextmanager
    def kernel(self) -> Iterator[Kernel]:
        """A new one, with the notebook open."""
        self.home.mkdir(parents=True, exist_ok=True)
        env = {
            **os.environ,
            "HOME": str(self.home),
            "OMP_NUM_THREADS": "1",  # tests share the cores
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(PROJECT),
            "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm, in every notebook where there is no ipywidgets
            **self.environment,
        }
        kernel = Kernel(self.notebook, timeout=240)
        with kernel.setup_kernel(cwd=str(self.folder), env=env):
            yield kernel

    def lose_disk(self) -> None:
        """The next machine finds nothing but the remote."""
        assert self.home.is_dir()
        for path in self.folder.iterdir():
            if path != self.drive:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass(frozen=True)
class Held:
    """What a run has left on the remote: its folders' files, what it logged, its tensors and the rest of its state.

    Without generators: those that a notebook has not seeded begin differently each time, and decide nothing in it. And
    without what the last step has left in `.grad`: whether that is saved depends on what the session has seen by then.
    """

    folders: dict[str, dict[str, str]]
    logged: list[bytes] = field(default_factory=list)
    state: Any = None
    tensors: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)


def held(run: Path, scratch: Path) -> Held:
    """Every byte of it is read and proved; `scratch` is a file that may be written."""
    folders = [path.name for path in (run / "folders").iterdir()] if (run / "folders").is_dir() else []
    files = {name: _files(run, name) for name in folders}
    if not (checkpoints := manifests(run)):
        return Held(files)
    found = history(run / "journal", Mark.from_json(checkpoints[-1].journal))
    assert not found.flaws
    parts = {name: part.tree for name, part in parts_of(checkpoints[-1]).items() if name not in _GENERATORS}
    tensors = scratch.with_suffix(".safetensors")
    export = Export(tensors, parts=tuple(parts), overwrite=True)
    export.write(checkpoints[-1], lambda pack: run / "packs" / pack, lambda size: None)
    logged = [record.line() for record in found.records]
    return Held(files, logged, _compared(parts), _bits(tensors))


def _files(run: Path, name: str) -> dict[str, str]:
    shelf = Shelf(FolderRemote(run), name)
    shelf.refresh()
    newest = max(shelf.whole(), key=lambda found: found.rank)
    return {file.path: file.blob for file in newest.files}


def _bits(file: Path) -> dict[str, tuple[str, bytes]]:
    kept = {name: tensor for name, tensor in load_file(file).items() if f".{_GRADIENTS}." not in name}
    return {
        name: (f"{tensor.dtype} {tensor.shape}", tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        for name, tensor in kept.items()
    }


def _compared(tree: Any) -> Any:
    """Also without how long something took, which a Trainer keeps with what it logs."""
    match tree:
        case {"$": "bytes", "base64": str(text)}:
            lines = base64.b64decode(text).splitlines()
            return [_compared(json.loads(line)) for line in lines]
        case Mapping():
            return {name: _compared(value) for name, value in tree.items() if not name.endswith(_LEFT_OUT)}
        case list():
            return [_compared(value) for value in tree]
    return tree
