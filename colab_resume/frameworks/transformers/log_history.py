"""The Trainer's `log_history`, as a checkpoint holds it: lines that only grow, so a save costs what is new.

To write down a list of ten thousand entries takes longer than all else that is saved of a small model.
"""

from __future__ import annotations

from typing import Any

from ...checkpoints.encoding import decode, encode
from ...checkpoints.strict_json import parse
from ...errors import DamagedCheckpoint
from ...training.objects.grown import Grown
from ...training.objects.plain import copied
from ...training.records import as_line

__all__ = ["LogHistory"]

_FLAT = {str, int, float, bool, type(None)}


class LogHistory:
    """Of one trainer."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lines = Grown()
        self._written: list[dict[str, Any]] = []

    def taken(self, entries: list[Any]) -> Any:
        """The entries in a form to be kept; those that are as they were last time are not written down again."""
        # By their values and not by which objects they are: a callback may change one.
        if entries[: len(self._written)] != self._written:
            self._forget()
        new = entries[len(self._written) :]
        if not all(map(_is_flat, new)):
            return entries
        self._write([dict(entry) for entry in new])
        return {"lines": self._lines.pieces()}

    def given_back(self, taken: Any) -> list[Any]:
        """The entries, from what was kept."""
        self._forget()
        if isinstance(taken, list):
            return list(copied(taken))
        entries = _read(b"".join(taken["lines"]))
        self._lines, self._written = Grown(taken["lines"]), entries
        return list(map(dict, entries))

    def _write(self, entries: list[dict[str, Any]]) -> None:
        tree: Any = encode({"entries": entries}).tree
        self._lines.extend(b"".join(map(as_line, tree["entries"])))
        self._written += entries


def _is_flat(entry: Any) -> bool:
    return type(entry) is dict and all(type(key) is str and type(value) in _FLAT for key, value in entry.items())


def _read(lines: bytes) -> list[dict[str, Any]]:
    try:
        tree = [parse(line) for line in lines.splitlines()]
    except ValueError as error:
        raise DamagedCheckpoint(
            f"the Trainer's log_history cannot be read: {error}", hint="use an older checkpoint"
        ) from error
    entries: list[dict[str, Any]] = decode({"entries": tree}, (), _nothing)["entries"]
    return entries


def _nothing(_: int) -> Any:
    raise AssertionError("there are no pieces that could be asked for")
