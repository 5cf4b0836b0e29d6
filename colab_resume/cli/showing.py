"""`show`: one checkpoint as its manifest tells it. Reads no pack, decodes nothing."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..checkpoints.manifest import Manifest
from ..checkpoints.parts import Part, parts_of
from ..display.tables import ago, cut, size, table
from ..display.terminal import Terminal
from ..training.position import Position
from ..training.records import Mark
from .readable import number, piece_names, plain
from .runs import FoundRun, first_good, open_run
from .verbs import Verb, add_checkpoint, add_json, add_place

__all__ = ["VERB"]

_LONGEST_VALUE = 100


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "run", "one run")
    add_checkpoint(parser, "the newest one otherwise")
    parser.add_argument("--tensors", action="store_true", help="also list every tensor")
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, options.credentials)
    manifest, facts = first_good(run, options.checkpoint, lambda one: _facts(run, one, options.tensors), terminal.note)
    terminal.document(facts)
    terminal.lines(_head(manifest, facts, time.time(), terminal.columns))
    terminal.line("")
    terminal.lines(_part_table(facts["parts"], terminal.columns))
    if options.tensors:
        terminal.line("")
        terminal.lines(_tensor_table(facts["tensors"], terminal.columns))
    return 0


def _facts(run: FoundRun, manifest: Manifest, with_tensors: bool) -> dict[str, Any]:
    parts = parts_of(manifest).values()
    lack = run.lack(manifest)
    facts = {
        "run": run.name,
        "name": manifest.name,
        "step": manifest.step,
        "session": manifest.session,
        "generation": manifest.generation,
        "parent": manifest.parent,
        "created": manifest.created,
        "complete": not lack,
        "lacks": lack or None,
        "tags": list(manifest.tags),
        "metrics": plain(manifest.metrics),
        "position": Position.from_json(manifest.position).to_json(),
        "journal": Mark.from_json(manifest.journal).to_json(),
        "provenance": plain(manifest.provenance),
        "values": {part.name: plain(part.tree[part.name]) for part in parts if part.kind == "values"},
        "parts": [_part_facts(part) for part in parts],
    }
    if with_tensors:
        facts["tensors"] = [tensor for part in parts for tensor in _tensor_facts(part)]
    return facts


def _part_facts(part: Part) -> dict[str, Any]:
    return {"name": part.name, "kind": part.kind, "tensors": len(part.tensors), "bytes": part.nbytes}


def _tensor_facts(part: Part) -> Iterator[dict[str, Any]]:
    names: dict[int, list[str]] = {}
    for index, name in piece_names(part.tree):
        names.setdefault(index, []).append(name)
    for index, ref in enumerate(part.tensors):
        yield {
            "part": part.name,
            "names": names.get(index, []),
            "dtype": ref.dtype,
            "shape": list(ref.shape),
            "bytes": ref.nbytes,
            "pack": ref.pack,
            "key": ref.key,
        }


def _head(manifest: Manifest, facts: Mapping[str, Any], now: float, columns: int | None) -> list[str]:
    when = datetime.fromtimestamp(manifest.created, UTC)
    rows = [
        ("checkpoint", manifest.name),
        ("of run", facts["run"]),
        ("saved", f"{when:%Y-%m-%d %H:%M:%S} UTC, {ago(now - manifest.created)}"),
        ("state", f"incomplete: {facts['lacks']}" if facts["lacks"] else "complete"),
        ("position", _position(Position.from_json(manifest.position))),
        ("parent", manifest.parent or "none, it is the first"),
        ("journal", f"{facts['journal']['session']}.jsonl, {size(facts['journal']['bytes'])}"),
    ]
    rows += [("tags", ", ".join(manifest.tags))] if manifest.tags else []
    rows += [("metric", f"{name} = {number(value)}") for name, value in manifest.metrics.items()]
    values = [value for part in facts["values"].values() for value in _items(part)]
    rows += [("value", f"{name} = {_short(value)}") for name, value in values]
    rows += [("made with", f"{name} {_short(value)}") for name, value in _flat(facts["provenance"])]
    return [cut(f"{name:<10}  {text}", columns) for name, text in rows]


def _position(position: Position) -> str:
    places = [f"{frame.kind} {frame.index}" for frame in position.frames]
    places += [f"{name} done: {turns}" for name, turns in position.loops.items() if not position.frames]
    return ", ".join([f"step {position.step}", *places])


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, dict) else [("", value)]


def _flat(provenance: Any) -> Iterator[tuple[str, Any]]:
    """What is grouped, without the group: `versions` of packages name themselves."""
    for name, value in _items(provenance):
        yield from value.items() if isinstance(value, dict) else [(name, value)]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cut(text, _LONGEST_VALUE)


def _part_table(parts: list[dict[str, Any]], columns: int | None) -> list[str]:
    rows = [[part["name"], part["kind"], str(part["tensors"]), size(part["bytes"])] for part in parts]
    return table(("part", "kind", "tensors", "size"), rows, right=("tensors", "size"), columns=columns)


def _tensor_table(tensors: list[dict[str, Any]], columns: int | None) -> list[str]:
    rows = [
        [
            one["part"],
            ", ".join(one["names"]) or "-",
            one["dtype"],
            "×".join(map(str, one["shape"])),
            size(one["bytes"]),
            one["pack"],
        ]
        for one in tensors
    ]
    return table(("part", "tensor", "dtype", "shape", "size", "pack"), rows, right=("shape", "size"), columns=columns)


VERB = Verb(
    name="show",
    summary="show one checkpoint: position, state, metrics, how it was made",
    examples=(
        "runs/digits 1240 --tensors",
        "runs/digits 0000001240-k3f9a2 --json",
        "drive:colab_resume/digits --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
