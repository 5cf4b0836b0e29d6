"""A real notebook server, a real kernel and a real browser: Notebook 7, and the Notebook 6 that is like Colab's.

Whatever Jupyter keeps in a home folder lies in a folder of the test's; the browser goes no further than this machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from remotes.servers import answers, free_port

from colab_resume.display.view import view
from colab_resume.status import Status

__all__ = ["NOTEBOOK_6", "NOTEBOOK_7", "Front", "Notebook", "chromium", "server"]

PROJECT = Path(__file__).parent.parent.parent
SCENES = Path(__file__).parent
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Front:
    """A front end: the packages it is made of lie beside the others, or among them if there is no folder."""

    name: str
    cell: str
    editor: str
    prompt: str
    ready: str
    """What is true in the page once it talks to the kernel."""
    dark: str
    """What makes the page dark; Notebook 6 cannot be, so it says so as Colab does."""
    light: str
    save: str
    run_all: str
    settle: str = "null"
    """What is done then, before cells are run."""
    where: Path | None = None


NOTEBOOK_7 = Front(
    name="notebook 7",
    cell=".jp-CodeCell",
    editor=".cm-content",
    prompt=".jp-InputPrompt",
    ready="window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
    dark="window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})",
    light="window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})",
    save="window.jupyterapp.commands.execute('docmanager:save')",
    run_all="window.jupyterapp.commands.execute('notebook:run-all-cells') && null",
)
# Its widgets ask the kernel at first which of them there are; one that a cell makes meanwhile is not seen. So two
# answers are awaited, which come after those to them.
_ASKED = """async () => {
  const kernel = Jupyter.notebook.kernel, options = {silent: false, store_history: false};
  const answer = () => new Promise(done => kernel.execute('print()', {iopub: {output: done}}, options));
  await answer();
  await answer();
}"""
NOTEBOOK_6 = Front(
    name="notebook 6",
    cell=".code_cell",
    editor=".CodeMirror",
    prompt=".input_prompt",
    ready="window.Jupyter?.notebook?.kernel?.is_connected() && Jupyter.notebook.kernel.widget_manager",
    settle=_ASKED,
    dark="document.documentElement.setAttribute('theme', 'dark')",
    light="document.documentElement.removeAttribute('theme')",
    save="Jupyter.notebook.save_notebook()",
    run_all="Jupyter.notebook.execute_all_cells()",
    where=PROJECT / ".venv" / "notebook6",
)
_PRINTED = """([cell, lines]) => {
  const parts = [...cell.querySelectorAll('.output_stdout pre, .jp-OutputArea-output pre')];
  const printed = parts.map(part => part.innerText).join('').split('\\n').filter(line => line.trim());
  return printed.length >= lines && printed;
}"""
_BLANK = re.compile(r"\[\s*\]")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's own; playwright brings the driver."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def server(front: Front, folder: Path) -> Iterator[str]:
    """The address of a server whose notebooks lie in this folder."""
    port = free_port()
    options = {
        "ip": "127.0.0.1",
        "port": str(port),
        "token": "",
        "notebook_dir" if front.where else "root_dir": str(folder),
    }
    app = "NotebookApp" if front.where else "ServerApp"
    arguments = ["--no-browser", "--allow-root", *(f"--{app}.{name}={value}" for name, value in options.items())]
    # Nothing is held back when thousands are sent at once; and the page of Notebook 7 knows its own application.
    channels = "NotebookApp" if front.where else "ZMQChannelsWebsocketConnection"
    arguments += [f"--{channels}.iopub_{what}_rate_limit=1e12" for what in ("msg", "data")]
    arguments += [] if front.where else ["--JupyterNotebookApp.expose_app_in_browser=True"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "notebook", *arguments],
            env=_environment(front, folder / "jupyter"),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        assert answers(port, process), log.read_text(errors="replace")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(front: Front, home: Path) -> dict[str, str]:
    """What the server and its kernels see: the project, the scenes, and the packages of this front end."""
    _say_which_python(home / "data" / "kernels" / "python3")
    packages = [front.where] if front.where else []
    inherited = os.environ.get("PYTHONPATH", "")
    # A kernel that is told that it runs in CI asks nobody.
    here = {name: value for name, value in os.environ.items() if name != "CI"}
    return {
        **here,
        "PYTHONPATH": os.pathsep.join(filter(None, [*map(str, [*packages, PROJECT, SCENES]), inherited])),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PATH": _beside(front, "share"),
        "JUPYTER_CONFIG_PATH": _beside(front, "etc"),
        "IPYTHONDIR": str(home / "ipython"),
        "HOME": str(home),
        "PYTHONWARNINGS": "ignore",
    }


def _beside(front: Front, folder: str) -> str:
    """Jupyter looks for what packages bring beside its own Python only, not beside packages in a folder."""
    return str(front.where / folder / "jupyter") if front.where else ""


def _say_which_python(kernel: Path) -> None:
    kernel.mkdir(parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": arguments, "display_name": "Python 3", "language": "python"})
    )


class Notebook:
    """One notebook in one page, and the panel in it."""

    def __init__(
        self,
        front: Front,
        page: Page,
        address: str,
        folder: Path,
        cells: Sequence[str] | nbformat.NotebookNode,
        *,
        name: str = "panel",
    ) -> None:
        self._front = front
        self.page = page
        self.path = folder / f"{name}.ipynb"
        if not isinstance(cells, nbformat.NotebookNode):
            cells = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
            cells.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(cells, self.path)
        page.set_default_timeout(240_000)
        page.goto(f"{address}/notebooks/{self.path.name}")
        page.wait_for_selector(front.cell)
        page.wait_for_function(front.ready)
        page.evaluate(front.settle)

    def run(self, cell: int) -> None:
        """Press Shift+Enter in this cell."""
        for _ in range(3):
            self._cell(cell).locator(self._front.editor).first.click()
            self.page.keyboard.press("Shift+Enter")
            try:
                expect(self._prompt(cell)).not_to_have_text(_BLANK, timeout=20_000)
            except AssertionError:
                continue  # the page did not listen yet
            return
        pytest.fail(f"cell {cell} does not run")

    def run_all(self) -> None:
        """As by the menu."""
        self.page.evaluate(self._front.run_all)

    def run_to_end(self, cell: int) -> None:
        """Until its prompt shows another number."""
        before = self._prompt(cell).inner_text()
        self.run(cell)
        self.wait_for_end(cell, before)

    def wait_for_end(self, cell: int, before: str = "") -> None:
        """Until its prompt shows a number, and not the one before."""
        self.page.wait_for_function(
            "([prompt, before]) => /\\d/.test(prompt.innerText) && prompt.innerText !== before",
            arg=[self._prompt(cell).element_handle(), before],
        )

    def give(self, width: int | None) -> None:
        """Leave the panel so much room; None: as much as the page has."""
        room = f"{width}px" if width else ""
        self.panel.first.evaluate("(panel, room) => { panel.parentElement.style.maxWidth = room }", room)

    def is_running(self, cell: int) -> bool:
        """Whether its prompt shows the star."""
        return "*" in self._prompt(cell).inner_text()

    def make(self, theme: str) -> None:
        """Dark or light."""
        self.page.evaluate(self._front.dark if theme == "dark" else self._front.light)

    @property
    def panel(self) -> Locator:
        return self.page.locator(".cr-panel")

    def wait_for(self, status: Status) -> None:
        """Until the page shows this; the number in a prompt may come earlier than what the cell has sent to widgets."""
        shown = view(status)
        texts = [
            status.run,
            shown.state.text,
            shown.going.where,
            *(f"{stage.step}\n{stage.detail}".rstrip() for stage in shown.stages),
            *(fact.value for fact in shown.facts),
            *(problem.what for problem in shown.problems),
        ]
        # The timeline comes last of all, and a first session has none.
        has_timeline = len(status.lives) > 1
        texts += [f"sessions {len(status.lives)}"] * has_timeline
        self.page.wait_for_function(
            "([texts, has_timeline]) => { const panel = document.querySelector('.cr-panel'); return panel"
            " && texts.every(text => panel.innerText.includes(text)) && panel.querySelector('svg, .cr-empty')"
            " && has_timeline === Boolean(panel.querySelector('.cr-lives')) }",
            arg=[texts, has_timeline],
        )

    def text(self, part: str) -> str:
        """What is written in this part of the panel."""
        return self.panel.first.locator(f".cr-{part}").inner_text()

    def save(self) -> Path:
        """The file, as the front end leaves it."""
        self.page.evaluate(self._front.save)
        return self.path

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """What a cell has put out, as it stands in the saved file."""
        outputs: list[dict[str, Any]] = json.loads(self.path.read_text("utf-8"))["cells"][cell]["outputs"]
        return outputs

    def output(self, cell: int) -> Locator:
        """All that stands below a cell."""
        return self._cell(cell).locator(".output_wrapper, .jp-Cell-outputWrapper")

    def printed(self, cell: int, lines: int) -> list[str]:
        """What a cell has printed, as soon as the page shows so many lines."""
        shown = self.page.wait_for_function(_PRINTED, arg=[self._cell(cell).element_handle(), lines])
        found: list[str] = shown.json_value()
        return found

    def _cell(self, number: int) -> Locator:
        return self.page.locator(self._front.cell).nth(number)

    def _prompt(self, number: int) -> Locator:
        return self._cell(number).locator(self._front.prompt).first
