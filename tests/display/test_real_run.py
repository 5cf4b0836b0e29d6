"""The panel of a real run in a real notebook: live while it trains, and telling the truth after the disk was lost."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from display.browser import NOTEBOOK_7, Notebook, chromium, server
from playwright.sync_api import Browser

__all__: list[str] = []

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

SETUP = """import colab_resume, os, signal, torch
run = colab_resume.setup("points", store="disk", remote="remote", every="0.5 s")"""
TRAIN = """torch.manual_seed(0)
torch.set_num_threads(1)
model = torch.nn.Linear(8, 1)
opt = torch.optim.AdamW(model.parameters())
run.track(model=model, opt=opt)
for epoch in run.epochs(4):
    for x in run.batches(list(torch.randn(60, 16, 8))):
        loss = model(x).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        run.log(loss=loss)
        stop.wait(0.02)
    if epoch == DIES:
        run.flush()
        os.kill(os.getpid(), signal.SIGKILL)
run.finish()"""
CELLS = [SETUP, "import threading\nstop = threading.Event()", TRAIN.replace("DIES", "1")]
AGAIN = [*CELLS[:2], TRAIN.replace("DIES", "9")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


def test_it_is_live_and_after_a_loss_it_says_what_happened(browser: Browser, tmp_path: Path) -> None:
    """The step moves while the cell runs; on an empty disk the next kernel shows what was restored, and goes on."""
    with server(NOTEBOOK_7, tmp_path) as address:
        page = browser.new_page(viewport={"width": 1000, "height": 1600})
        notebook = Notebook(NOTEBOOK_7, page, address, tmp_path, CELLS)
        notebook.run_to_end(0)
        notebook.run_to_end(1)
        notebook.run(2)
        seen = {int(step) for step in _steps(notebook, enough=4)}
        assert len(seen) >= 4
        page.wait_for_selector("text=appears to have died")
        page.close()
        shutil.rmtree(tmp_path / "disk")
        page = browser.new_page(viewport={"width": 1000, "height": 1600})
        notebook = Notebook(NOTEBOOK_7, page, address, tmp_path, AGAIN, name="again")
        notebook.run_to_end(0)
        text = notebook.panel.first.inner_text()
        assert re.search(r"step 1\d\d, verified", text)
        assert "without a word" in text
        notebook.run_to_end(1)
        notebook.run_to_end(2)
        page.wait_for_function("() => document.querySelector('.cr-panel').innerText.includes('finished')")
        notebook.panel.first.screenshot(path=tmp_path / "after.png")
        text = notebook.panel.first.inner_text()
        assert "step 240" in text
        page.close()


def _steps(notebook: Notebook, *, enough: int) -> list[str]:
    found: list[str] = []
    for _ in range(2000):
        step = re.search(r"step (\d+)", notebook.panel.first.inner_text())
        if step is not None and step[1] not in found:
            found.append(step[1])
        if len(found) >= enough:
            break
        notebook.page.wait_for_timeout(20)
    return found
