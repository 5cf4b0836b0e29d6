"""The README's pictures of the panel, taken in a real notebook: `python -m display.pictures` in `tests/`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from display.browser import NOTEBOOK_7, PROJECT, Notebook, chromium, server
from PIL import Image

__all__ = ["PICTURES"]

IMAGES = PROJECT / "docs" / "images"
PICTURES = {
    "panel-after-a-vm-loss.png": ("after a VM loss", "light", 782),
    "panel-drive-full.png": ("Drive full", "dark", 782),
}
"""File, moment, theme and width."""
MOST_BYTES = 150_000


def take(folder: Path) -> None:
    """All of them, in twice the resolution, so that they are sharp wherever they are shown."""
    moments = [moment for moment, _, _ in PICTURES.values()]
    cells = ["from panel_scene import Scene\nscene = Scene()", *(f"scene.go_to({moment!r})" for moment in moments)]
    with chromium() as browser, server(NOTEBOOK_7, folder) as address:
        page = browser.new_page(viewport={"width": 1100, "height": 1400}, device_scale_factor=2)
        notebook = Notebook(NOTEBOOK_7, page, address, folder, cells)
        notebook.run_to_end(0)
        for number, (name, (_, theme, width)) in enumerate(PICTURES.items(), start=1):
            notebook.make(theme)
            notebook.run_to_end(number)
            notebook.give(width)
            page.mouse.move(0, 0)
            notebook.panel.first.screenshot(path=folder / name)
            # Few colours are in it, and an eighth of the bytes are enough.
            Image.open(folder / name).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
                IMAGES / name, optimize=True
            )
            assert (IMAGES / name).stat().st_size < MOST_BYTES, name


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        take(Path(folder))
