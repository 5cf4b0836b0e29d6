"""A notebook in a real browser: notebook 7 in a process of its own, and Chromium to click in it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = ["PROJECT", "opened", "run", "served", "why_no_browser"]

PROJECT = Path(__file__).parents[2]
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


_PROMPT = "number => document.querySelectorAll('.jp-CodeCell')[number].querySelector('.jp-InputPrompt').innerText"


def why_no_browser() -> str | None:
    """What is missing, or None."""
    missing = [name for name in ("notebook", "playwright", "ipywidgets") if importlib.util.find_spec(name) is None]
    if shutil.which("chromium") is None:
        missing.append("chromium")
    return f"needs {', '.join(missing)}" if missing else None


@contextmanager
def served(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """The address of a notebook with these cells; it and all that belongs to it lies in `folder`."""
    made = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for n, source in enumerate(cells)
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    root = folder / "notebooks"
    root.mkdir()
    (root / "t.ipynb").write_text(json.dumps({"cells": made, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A kernel that is told that it runs in CI asks nobody.
    here = {name: value for name, value in os.environ.items() if name != "CI"}
    env = here | {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    env |= {"PYTHONPATH": str(PROJECT), "HOME": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    options = ["--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={root}", "--ServerApp.disable_check_xsrf=True"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "notebook", *options],
            env=env,
            cwd=root,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", server, folder / "server.log")
        yield f"http://127.0.0.1:{port}/notebooks/t.ipynb"
    finally:
        server.terminate()
        server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    give_up = time.monotonic() + 60
    while True:
        with suppress(OSError), direct.open(address, timeout=5):
            return
        if server.poll() is not None or time.monotonic() > give_up:
            raise AssertionError(log.read_text())
        time.sleep(0.1)


@contextmanager
def opened(address: str) -> Iterator[Any]:
    """The page, when it shows the notebook."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(_OPTIONS))
        try:
            page = browser.new_page()
            page.set_default_timeout(120_000)
            page.goto(address)
            page.wait_for_selector(".jp-CodeCell .cm-content")
            yield page
        finally:
            browser.close()


def run(page: Any, number: int) -> Any:
    """Run a cell; its output, when it has ended."""
    cell = page.locator(".jp-CodeCell").nth(number)
    before = page.evaluate(_PROMPT, number)
    cell.locator(".cm-content").click()
    give_up = time.monotonic() + 60
    # What is asked for before the page has its kernel is dropped, and nothing on the page tells when it has.
    while page.evaluate(_PROMPT, number) == before:
        assert time.monotonic() < give_up
        page.keyboard.press("Control+Enter")
        with suppress(_too_late()):
            page.wait_for_function(
                f"([number, before]) => ({_PROMPT})(number) !== before", arg=[number, before], timeout=2e3
            )
    page.wait_for_function(f"number => /[0-9]/.test(({_PROMPT})(number))", arg=number)
    return cell.locator(".jp-Cell-outputWrapper")


def _too_late() -> type[Exception]:
    from playwright.sync_api import TimeoutError as TooLate

    return TooLate
