"""Whatever is trained goes on exactly, with all that an update leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from matrix.cell import Cell, check
from matrix.parts import PARTS


@pytest.mark.parametrize(
    "parts", [pytest.param(name, marks=[] if name == "AMP" else pytest.mark.slow) for name in PARTS]
)
def test_what_is_trained_goes_on_exactly(parts: str, folder: Path) -> None:
    """Killed twice, it ends like one that never was."""
    check(Cell(parts=parts), folder)
