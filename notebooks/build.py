"""Makes `NAME.ipynb` of each `NAME.py` beside this file: `python notebooks/build.py`.

A source is Python with `# %%` above each cell of code and `# %% [markdown]` above each text (the "percent" format of
editors and jupytext), so it is linted, formatted and reviewed as Python. `# %pip ...` in it becomes the magic that it
is in a notebook. The same source always makes the same bytes, and outputs are never part of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

__all__ = ["notebook"]

_MARKER = re.compile(r"^# %%(.*)\n", re.MULTILINE)
_MAGIC = re.compile(r"^( *)# (%[a-z])", re.MULTILINE)
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(source: str) -> str:
    """The content of the .ipynb that this source makes, in nbformat 4.5; `ValueError` for what is no such source."""
    before, *pieces = _MARKER.split(source)
    if before.strip():
        raise ValueError(f"before the first cell there is {before.strip()!r}")
    pairs = zip(pieces[::2], pieces[1::2], strict=True)
    cells = [_cell(f"cell-{number}", kind.strip(), text.strip("\n")) for number, (kind, text) in enumerate(pairs)]
    made = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cell(identity: str, kind: str, text: str) -> dict[str, object]:
    cell: dict[str, object] = {"id": identity, "metadata": {}}
    if kind == "[markdown]":
        return {**cell, "cell_type": "markdown", "source": _uncommented(text).splitlines(keepends=True)}
    if kind:
        raise ValueError(f"'# %% {kind}' begins no known kind of cell")
    source = _MAGIC.sub(r"\1\2", text).splitlines(keepends=True)
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": [], "source": source}


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
            source.with_suffix(".ipynb").write_text(notebook(source.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    _main()
