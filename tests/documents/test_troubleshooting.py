"""Troubleshooting has an entry for each error, and what it quotes is what the package says."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator

import pytest
from documents.pages import DOCS, PROJECT

from colab_resume import errors

TEXT = (DOCS / "troubleshooting.md").read_text("utf-8")
_QUOTED = re.findall(r"^(?:### |\| )`([^`]+)`", TEXT, re.MULTILINE)
_ENTRIES = dict(re.findall(r"^### `([^`]+)`\n\n(.*?)\n(?=\n|\Z)", TEXT, re.MULTILINE | re.DOTALL))


@functools.cache
def said() -> dict[str, set[str]]:
    """Every text in the package's source but docstrings, each with the errors whose first argument it is part of."""
    found: dict[str, set[str]] = {}
    for path in sorted((PROJECT / "colab_resume").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        alone = {node.value for node in nodes if isinstance(node, ast.Expr)}
        for text in texts(node for node in nodes if node not in alone):
            found.setdefault(text, set())
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors.__all__:
                for text in texts(ast.walk(node.args[0])):
                    found[text].add(node.func.id)
    return found


def texts(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """What is put in later is left out."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def parts_of(quoted: str) -> list[str]:
    """The words between the places where something is put in."""
    return [part.strip() for part in quoted.split("…") if part.strip()]


@pytest.mark.parametrize("name", errors.__all__)
def test_each_error_has_an_entry(name: str) -> None:
    """A heading of its own, and words below it."""
    assert _ENTRIES.get(name, "").endswith("."), f"{name} has no entry in docs/troubleshooting.md"


def test_what_is_quoted_is_what_the_package_says() -> None:
    """Word for word, but for what is put in; and enough of it to be looked for."""
    source = "\n".join(said())
    for quoted in _QUOTED:
        assert [part for part in parts_of(quoted) if part not in source] == [], quoted
        assert quoted in errors.__all__ or sum(map(len, parts_of(quoted))) >= len("new VM:"), quoted


def test_an_entry_begins_with_the_error_that_it_is_about() -> None:
    """Or with what else it is: a warning, a line."""
    source = said()
    for quoted, entry in _ENTRIES.items():
        if quoted in errors.__all__:
            continue
        assert entry.startswith("*"), quoted
        named = set(re.findall(r"`([A-Z]\w+)`", entry.split("*")[1]))
        longest = max(parts_of(quoted), key=len)
        raised = set().union(*(kinds for text, kinds in source.items() if longest in text))
        assert raised <= named <= set(errors.__all__), quoted


def test_no_heading_stands_twice() -> None:
    assert len(_QUOTED) == len(set(_QUOTED))
