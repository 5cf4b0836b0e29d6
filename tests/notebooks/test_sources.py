"""Each notebook is what its source makes: nothing else is in it, and what stands in the source arrives there."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from notebooks.machines import NOTEBOOKS, PROJECT

__all__: list[str] = []

_BUILD = runpy.run_path(str(NOTEBOOKS / "build.py"))
_SOURCES = sorted(path for path in NOTEBOOKS.glob("*.py") if path.name != "build.py")
_TEXT = "# %% [markdown]\n# # One\n#\n# two\n"

notebook: Callable[..., str] = _BUILD["notebook"]


def cells_of(source: str, **options: str) -> list[tuple[str, str]]:
    made = nbformat.reads(notebook(source, "name", **options), 4)
    assert all(cell.get("outputs", []) == [] for cell in made.cells)
    return [(cell.cell_type, cell.source) for cell in made.cells]


@pytest.mark.parametrize("source", _SOURCES, ids=lambda path: path.stem)
def test_the_notebook_is_what_its_source_makes(source: Path) -> None:
    """Nobody edits the .ipynb, and no output is ever in it: it is, byte by byte, what notebooks/build.py makes."""
    content = source.with_suffix(".ipynb").read_text("utf-8")
    assert content == notebook(source.read_text("utf-8"), source.stem)
    nbformat.validate(nbformat.reads(content, as_version=4))


def test_no_notebook_is_without_a_source() -> None:
    """And there are some."""
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {path.stem for path in _SOURCES} != set()


@pytest.mark.parametrize("source", _SOURCES, ids=lambda path: path.stem)
def test_every_notebook_installs_first_and_says_what_is_next(source: Path) -> None:
    """On Colab alone; the installation comes before anything of the package is used."""
    (_, title), (kind, first), *others = cells_of(source.read_text("utf-8"))
    assert title.startswith("# ")
    assert kind == "code"
    assert 'if Path("/var/colab/hostname").exists():\n    %pip install -q colab-resume\n' in first
    assert "  # @param {type:" in first
    assert "import colab_resume" not in first
    assert "## What next" in others[-1][1]


def test_the_readme_leads_to_every_notebook() -> None:
    """By its name."""
    readme = (PROJECT / "README.md").read_text("utf-8")
    assert [path.stem for path in _SOURCES if f"(notebooks/{path.stem}.ipynb)" not in readme] == []


def test_a_source_becomes_cells() -> None:
    """Text loses its comment signs, a magic and a command become such, and a file is written by its cell."""
    code = "\n# %%\nif x:\n    # %pip install y\n\n# %%\n# !python y.py\n\n# %% [writefile y.py]\n# !z\n"
    assert cells_of(_TEXT + code) == [
        ("markdown", "# One\n\ntwo"),
        ("code", "if x:\n    %pip install y"),
        ("code", "!python y.py"),
        ("code", "%%writefile y.py\n# !z"),
    ]


def test_a_badge_opens_the_notebook_in_colab_where_its_place_is_known() -> None:
    """Below the title; else there is none, and nobody is led to a place that is not there."""
    ((_, text),) = cells_of(_TEXT, repository="somebody/something")
    title, _, badge, *rest = text.split("\n")
    assert [title, *rest] == ["# One", "", "two"]
    assert "(https://colab.research.google.com/github/somebody/something/blob/main/notebooks/name.ipynb)" in badge
    assert ("Open in Colab" in cells_of(_TEXT)[0][1]) == (_BUILD["REPOSITORY"] != "")


@pytest.mark.parametrize("source", ["x = 1\n", "# %% [raw]\nx\n", "# %% [markdown]\nx = 1\n"])
def test_what_is_no_source_is_refused(source: str) -> None:
    """Code before the first cell, an unknown kind of cell, code in a text."""
    with pytest.raises(ValueError, match=r"x = 1|\[raw\]"):
        notebook(source, "name")
