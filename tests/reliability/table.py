"""The table of docs/reliability.md: one line for each fault, from the very faults that the matrix tries out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reliability.api_faults import API_FAULTS
from reliability.faults import Fault, outcome
from reliability.mount_faults import MOUNT_FAULTS

__all__ = ["DOCUMENT", "page"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_HEAD = Path(__file__).with_name("reliability.head.md")


def page() -> str:
    """The whole document."""
    return f"{_HEAD.read_text()}\n{table()}"


def table() -> str:
    mount, api = _by_row(MOUNT_FAULTS), _by_row(API_FAULTS)
    lines = ["| what happens | on a mount | by the API |", "|---|---|---|"]
    lines += [
        f"| {row}{_kinds(mount.get(row, []) + api.get(row, []))} | {_of(mount, row)} | {_of(api, row)} |"
        for row in dict.fromkeys((*mount, *api))
    ]
    return "\n".join(lines) + "\n"


def _by_row(faults: Iterable[Fault[Any]]) -> dict[str, list[Fault[Any]]]:
    found: dict[str, list[Fault[Any]]] = {}
    for fault in faults:
        found.setdefault(fault.row, []).append(fault)
    return found


def _kinds(faults: list[Fault[Any]]) -> str:
    names = [fault.name for fault in faults if fault.name]
    return f" ({', '.join(names)})" if names else ""


def _of(faults: dict[str, list[Fault[Any]]], row: str) -> str:
    (words,) = {outcome(fault) for fault in faults.get(row, [None])}  # type: ignore[list-item]
    return words
