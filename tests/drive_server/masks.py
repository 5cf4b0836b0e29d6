"""The `fields` parameter: `id,items(id,title)`, `files/id`, `*`; what the schema does not know is refused.

mask = Mask("v2", "FileList", "items(id,title)")
mask.pick(answer)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .discovery import document
from .refusals import DriveError

__all__ = ["Mask"]

Tree = dict[str, "Tree"]
TOKEN = re.compile(r"\s*([A-Za-z0-9_\-.]+|[*(),/])")


class Mask:
    """What is wanted of an answer of that schema; refused when it is made, so before anything is done."""

    def __init__(self, version: str, schema: str, fields: str) -> None:
        self._tree = _Parser(fields).parse()
        _check(version, {"$ref": schema}, self._tree)

    def pick(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        return dict(_pick(self._tree, answer))


def _refusal(field: str) -> DriveError:
    return DriveError(400, "invalidParameter", f"Invalid field selection {field}", "fields")


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._text = text

    def parse(self) -> Tree:
        tree = self._fields()
        if self._tokens:
            raise _refusal(self._text)
        return tree

    def _fields(self) -> Tree:
        tree: Tree = {}
        while True:
            name, inner = self._field()
            _merge(tree, {name: inner})
            if self._peek() != ",":
                return tree
            self._tokens.pop(0)

    def _field(self) -> tuple[str, Tree]:
        name = self._tokens.pop(0) if self._tokens else ""
        if name in {"", "(", ")", ",", "/"}:
            raise _refusal(self._text)
        if self._peek() == "/":
            self._tokens.pop(0)
            below, inner = self._field()
            return name, {below: inner}
        if self._peek() != "(":
            return name, {}
        self._tokens.pop(0)
        inner = self._fields()
        if self._peek() != ")":
            raise _refusal(self._text)
        self._tokens.pop(0)
        return name, inner

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""


def _tokens(text: str) -> list[str]:
    found, end = [], 0
    while end < len(text.rstrip()):
        match = TOKEN.match(text, end)
        if match is None:
            raise _refusal(text)
        found.append(match[1])
        end = match.end()
    return found


def _merge(tree: Tree, more: Tree) -> None:
    for name, inner in more.items():
        if name not in tree:
            tree[name] = inner
        elif not (tree[name] and inner):
            tree[name] = {}
        else:
            _merge(tree[name], inner)


def _check(version: str, schema: Mapping[str, Any], tree: Tree) -> None:
    while "$ref" in schema or "items" in schema:
        schema = schema["items"] if "items" in schema else document(version)["schemas"][schema["$ref"]]
    for name, inner in tree.items():
        known = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if name == "*":
            known = {"properties": {}} if not inner else None
        if known is None:
            raise _refusal(name)
        _check(version, known, inner)


def _pick(tree: Tree, answer: Any) -> Any:
    if not tree or "*" in tree:
        return answer
    if isinstance(answer, list):
        return [_pick(tree, each) for each in answer]
    if not isinstance(answer, Mapping):
        return answer
    return {name: _pick(tree[name], value) for name, value in answer.items() if name in tree}
