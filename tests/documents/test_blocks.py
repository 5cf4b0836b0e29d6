"""What the documents show works as shown: python, console, and what came out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trainings  # noqa: F401 - warms torch up, so that forked processes start quickly and use one thread
from architecture import STATIONS
from documents.pages import PROJECT, Story, blocks, lacking, pages, sections

ELSEWHERE = {"README.md", "exactness.md"}  # tests/test_readme.py has their blocks
_TOLD = [
    pytest.param(page, name, id=f"{page.stem}: {name}")
    for page in pages()
    for name, parts in sections(page).items()
    if any(part.kind == "python" and not part.title for part in parts) and page.name not in ELSEWHERE
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning:lightning")  # Lightning's own, of torch's trees
@pytest.mark.parametrize(("page", "section"), _TOLD)
def test_a_section_runs_as_it_stands(page: Path, section: str, tmp_path: Path) -> None:
    """Block after block, and what is shown below one came out of it."""
    parts = [part for part in sections(page)[section] if not part.title]
    said = iter(Story(tmp_path).tell(parts))
    out = ""
    for part in parts:
        if part.kind in ("python", "console"):
            out = next(said)
        elif part.kind == "text":
            assert lacking(part.text, out) == [], out


def test_no_python_is_shown_that_does_not_run() -> None:
    """As `py` only what stands in docs/exactness.md: one of its two blocks is run, and one needs a server."""
    shown = [page.name for page in pages() for part in blocks(page.read_text("utf-8")) if part.kind == "py"]
    assert shown == ["exactness.md"] * 2


def test_what_contributing_names_is_there() -> None:
    """Every path stands for a file or a folder, and the stations are those of the architecture's table, in order."""
    text = (PROJECT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`((?:colab_resume|tests|docs|notebooks|\.ci)/[\w./]+|[\w./]+\.(?:py|md|toml))`", text)
    assert len(named) > 40
    assert [path for path in named if not (PROJECT / path).exists()] == []
    assert f"`{' > '.join(STATIONS[1:])}`" in text
    assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= set(
        re.findall(r"^(\w+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
