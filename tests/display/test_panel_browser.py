"""The panel as people see it: a real kernel, a real server, and Chromium; in Notebook 7 and in what is like Colab."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from display.browser import NOTEBOOK_6, NOTEBOOK_7, Front, Notebook, chromium, server
from display.panel_scene import MOMENTS, later
from playwright.sync_api import Browser, Page

# One browser at a time.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("browser"), pytest.mark.timeout(600)]

CELLS = [
    "from panel_scene import Scene\nscene = Scene('first run')",
    *(f"scene.go_to({moment!r})" for moment in MOMENTS),
    "scene.go_to('mid-run')\nscene.train_until('enough')",
    "scene.advance(437)\nscene.panel.refresh()",
    "scene.panel.show()",
    """from dataclasses import replace
scene.status = replace(scene.status, run='<img src=x onerror="window.caught = 1">')
scene.panel.refresh()""",
    "scene.go_to('mid-run')\nfor took in scene.update(turns=51, times=200):\n    print(took, flush=True)",
]
MOMENT = {moment: 1 + number for number, moment in enumerate(MOMENTS)}
TRAIN, ADVANCE, SHOW, HOSTILE, UPDATE = range(1 + len(MOMENTS), len(CELLS))

# WCAG's contrast of each text with the nearest background that is not transparent, over what is behind that.
CONTRASTS = """panel => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('style, title')) continue;
    const style = getComputedStyle(element);
    const ink = light(numbers(element.closest('svg') ? style.fill : style.color)), paper = light(behind(element));
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    if (contrast < 4.5) found.push([walker.currentNode.data, contrast]);
  }
  return found;
}"""
OVERFLOWS = """panel => [panel, ...panel.querySelectorAll('div, span, b, small')]
  .filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0
    && getComputedStyle(part).display !== 'inline')
  .map(part => part.className + ': ' + part.innerText.slice(0, 40))"""
HEIGHTS = """panel => ['head', 'story', 'going', 'stages', 'facts', 'problems', 'picture']
  .map(part => panel.querySelector('.cr-' + part)?.getBoundingClientRect().height ?? 0)"""
PLACES = """panel => ['head', 'story', 'going', 'stages', 'facts', 'problems', 'picture'].map(part => {
  const box = panel.querySelector('.cr-' + part).getBoundingClientRect(), all = panel.getBoundingClientRect();
  return [part, box.x - all.x, box.y - all.y, box.width, box.height, all.height].join(' ');
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=[NOTEBOOK_7, NOTEBOOK_6], ids=lambda front: front.name)
def front(request: pytest.FixtureRequest) -> Front:
    return request.param


@pytest.fixture(scope="module")
def opened(front: Front, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("notebook")
    with server(front, folder) as address:
        page: Page = browser.new_page()
        notebook = Notebook(front, page, address, folder, CELLS)
        notebook.run_to_end(0)
        yield notebook
        page.close()


@pytest.fixture
def notebook(opened: Notebook) -> Notebook:
    """Light, and as wide as a screen."""
    opened.make("light")
    opened.give(None)
    opened.page.set_viewport_size({"width": 1100, "height": 1000})
    return opened


def test_numbers_change_while_the_cell_runs(notebook: Notebook) -> None:
    """Steps, bytes and bars, as the page has them while the prompt shows its star."""
    seen = []
    notebook.run(TRAIN)
    for _ in range(3):
        going, stages = notebook.text("going"), notebook.text("stages")
        notebook.page.wait_for_function(
            "([panel, going, stages]) => panel.querySelector('.cr-going').innerText !== going"
            " && panel.querySelector('.cr-stages').innerText !== stages",
            arg=[notebook.panel.first.element_handle(), going, stages],
        )
        assert notebook.is_running(TRAIN)
        seen.append(notebook.text("going"))
    (notebook.path.parent / "enough").touch()
    notebook.wait_for_end(TRAIN)
    assert len(set(seen)) == 3
    assert all("epoch 5 of 10" in text for text in seen)


@pytest.mark.parametrize("width", [None, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_every_moment_can_be_read(
    notebook: Notebook, moment: str, theme: str, width: int | None, tmp_path: Path
) -> None:
    """In light and dark, wide and narrow: nothing is cut off, and every text stands out from what is behind it."""
    notebook.make(theme)
    notebook.run_to_end(MOMENT[moment])
    notebook.wait_for(MOMENTS[moment]())
    notebook.give(width)
    panel = notebook.panel.first
    assert panel.evaluate(CONTRASTS) == []
    assert panel.evaluate(OVERFLOWS) == []
    assert all(height > 15 for height in panel.evaluate(HEIGHTS))
    assert panel.bounding_box()["width"] <= (width or 782) + 1
    picture = tmp_path / "panel.png"
    panel.screenshot(path=picture)
    assert picture.stat().st_size > 5000


def test_nothing_moves_while_numbers_change(notebook: Notebook) -> None:
    """Every part stays where it is, and as high."""
    scene = MOMENTS["mid-run"]()
    notebook.run_to_end(MOMENT["mid-run"])
    notebook.wait_for(scene)
    before = notebook.panel.first.evaluate(PLACES)
    notebook.run_to_end(ADVANCE)
    notebook.wait_for(later(scene, 437))
    assert notebook.panel.first.evaluate(PLACES) == before


def test_another_cell_shows_the_same_panel(notebook: Notebook) -> None:
    """There is one panel, in two places."""
    notebook.run_to_end(SHOW)
    notebook.run_to_end(MOMENT["finished"])
    notebook.wait_for(MOMENTS["finished"]())
    notebook.page.wait_for_function("document.querySelectorAll('.cr-panel .cr-picture').length >= 4")
    texts = notebook.panel.all_inner_texts()
    assert len(texts) >= 2
    assert all("finished" in text for text in texts)
    assert len(set(texts)) == 1


def test_a_name_runs_no_code_in_the_page(notebook: Notebook) -> None:
    """It is shown as it is written."""
    notebook.run_to_end(HOSTILE)
    notebook.page.wait_for_function("document.querySelector('.cr-head').innerText.includes('onerror')")
    assert notebook.text("head").startswith("<img src=x onerror=")
    assert notebook.page.evaluate("window.caught") is None


def test_ten_thousand_updates_leave_nothing_behind(notebook: Notebook) -> None:
    """That is an hour and a half of them: the file holds the last state at most; neither page nor kernel grows."""
    notebook.run(UPDATE)
    first = turn(notebook, 1)
    before, few = weights(notebook), notebook.save().stat().st_size
    took = [turn(notebook, number) for number in range(2, 52)]
    messages, size = (sum(part[what] for part in took) for what in ("messages", "bytes"))
    after, many = weights(notebook), notebook.save().stat().st_size

    assert many < 300_000
    assert many - few < 20_000
    assert after["heap"] - before["heap"] < 20_000_000, (before, after)
    assert after["nodes"] - before["nodes"] < 2_000, (before, after)
    assert took[-1]["kernel"] - first["kernel"] < 20_000_000, (first, took)
    assert 10_000 < messages < 40_000, took
    assert size / messages < 3_000, took


def turn(notebook: Notebook, number: int) -> dict[str, int]:
    """What this turn of `Scene.update` took, when the page shows it."""
    (notebook.path.parent / f"turn {number}").touch()
    took: dict[str, int] = json.loads(notebook.printed(UPDATE, lines=number)[-1])
    return took


def weights(notebook: Notebook) -> dict[str, Any]:
    """What the page holds, after the rubbish was taken out."""
    session = notebook.page.context.new_cdp_session(notebook.page)
    session.send("HeapProfiler.collectGarbage")
    heap, counters = session.send("Runtime.getHeapUsage"), session.send("Memory.getDOMCounters")
    session.detach()
    return {"heap": int(heap["usedSize"]), "nodes": int(counters["nodes"])}


def test_what_is_read_elsewhere_says_what_it_was(notebook: Notebook) -> None:
    """On GitHub and other places without a kernel there is one plain line instead of the panel."""
    notebook.save()
    plain = notebook.outputs(0)[0]["data"]["text/plain"]
    assert "".join(plain).startswith("colab_resume · the panel is seen where the notebook runs")
