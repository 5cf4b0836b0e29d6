"""Makes `NAME.ipynb` of each `NAME.py` beside this file: `python notebooks/build.py`.

A source is Python with `# %%` above each cell of code and `# %% [markdown]` above each text (the "percent" format of
editors and jupytext), so it is linted, formatted and reviewed as Python. `# %pip ...` and `# !command` in it become
what they are in a notebook, and the cell under `# %% [writefile NAME]` writes its code to that file. The same source
always makes the same bytes, and outputs are never part of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

__all__ = ["REPOSITORY", "notebook"]

REPOSITORY = ""
"""Where these notebooks are on GitHub, as "owner/name"; while it is empty, no notebook has a badge that opens it."""

_MARKER = re.compile(r"^# %%(.*)\n", re.MULTILINE)
_MAGIC = re.compile(r"^( *)# ([%!][a-z])", re.MULTILINE)
_FILE = re.compile(r"\[writefile (\S+)\]")
_TITLE = re.compile(r"# .*\n")
_BADGE = """
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]\
(https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb)
"""
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(source: str, name: str, repository: str = REPOSITORY) -> str:
    """The content of NAME.ipynb that this source makes, in nbformat 4.5; `ValueError` for what is no such source.

    Below the title there is a badge that opens it in Colab, if it is known where Colab would find it.
    """
    before, *pieces = _MARKER.split(source)
    if before.strip():
        raise ValueError(f"before the first cell there is {before.strip()!r}")
    pairs = zip(pieces[::2], pieces[1::2], strict=True)
    cells = [_cell(f"cell-{number}", kind.strip(), text.strip("\n")) for number, (kind, text) in enumerate(pairs)]
    if repository:
        cells[0]["source"] = _with_badge(cells[0]["source"], _BADGE.format(repository=repository, name=name))
    made = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(identity: str, kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": identity, "metadata": {}}
    if kind == "[markdown]":
        return {**cell, "cell_type": "markdown", "source": _uncommented(text).splitlines(keepends=True)}
    if file := _FILE.fullmatch(kind):
        text = f"%%writefile {file[1]}\n{text}"
    elif kind:
        raise ValueError(f"'# %% {kind}' begins no known kind of cell")
    else:
        text = _MAGIC.sub(r"\1\2", text)
    source = text.splitlines(keepends=True)
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": [], "source": source}


def _with_badge(source: list[str], badge: str) -> list[str]:
    if not source or not _TITLE.fullmatch(source[0]):
        raise ValueError("a notebook begins with a title and a text, between which the badge stands")
    return [source[0], *badge.splitlines(keepends=True), *source[1:]]


def _uncommented(text: str) -> str:
    lines = text.split("\n")
    for line in lines:
        if line != "#" and not line.startswith("# "):
            raise ValueError(f"a text holds {line!r}, which is no comment")
    return "\n".join(line[2:] for line in lines)


def _main() -> None:
    here = Path(__file__)
    for source in sorted(here.parent.glob("*.py")):
        if source != here:
            source.with_suffix(".ipynb").write_text(notebook(source.read_text("utf-8"), source.stem), "utf-8")


if __name__ == "__main__":
    _main()
