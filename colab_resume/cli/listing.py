"""`ls`: which runs a folder holds, or which checkpoints a run has. Reads manifests only."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..checkpoints.collector import at_rest
from ..checkpoints.manifest import PACK, Manifest
from ..display.tables import ago, size, table
from ..display.terminal import Terminal
from ..errors import DamagedCheckpoint
from ..training.position import Position
from .readable import number, plain
from .runs import FoundRun, find_runs
from .verbs import Verb, add_json, add_place

__all__ = ["VERB"]

_RUNS = ("run", "step", "saved", "checkpoints", "size", "sessions")
_CHECKPOINTS = ("checkpoint", "step", "epoch", "saved", "new", "total", "state", "tags", "metrics")
_NUMBERS = ("step", "epoch", "saved", "checkpoints", "new", "total", "size", "sessions")


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "folder", "what holds runs, or one run")
    add_json(parser)


@at_rest()
def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    runs = find_runs(options.folder, options.credentials)
    one = runs[0].place.above is None
    now = time.time()
    terminal.document(_facts(runs[0]) if one else {"runs": [_facts(run) for run in runs]})
    head = _CHECKPOINTS if one else _RUNS
    rows = _checkpoint_rows(runs[0], now) if one else [_run_row(run, now) for run in runs]
    terminal.lines(table(head, rows, right=_NUMBERS, columns=terminal.columns))
    return 0


def _run_row(run: FoundRun, now: float) -> list[str]:
    newest = run.manifests[-1] if run.manifests else None
    count = str(len(run.manifests)) + (f" + {len(run.unreadable)} damaged" if run.unreadable else "")
    step, when = (str(newest.step), ago(now - newest.created)) if newest else ("-", "-")
    return [run.name, step, when, count, size(_stored(run)), str(len(run.sessions))]


def _checkpoint_rows(run: FoundRun, now: float) -> list[list[str]]:
    rows = [_checkpoint_row(run, manifest, now) for manifest in reversed(run.manifests)]
    broken = [[name, *["-"] * 5, "damaged", "", error.what] for name, error in run.unreadable.items()]
    return rows + broken


def _checkpoint_row(run: FoundRun, manifest: Manifest, now: float) -> list[str]:
    epoch = _epoch(manifest)
    metrics = " ".join(f"{name}={number(value)}" for name, value in manifest.metrics.items())
    return [
        manifest.name,
        str(manifest.step),
        "-" if epoch is None else str(epoch),
        ago(now - manifest.created),
        size(_new(manifest)),
        size(_total(manifest)),
        "incomplete" if run.lack(manifest) else "complete",
        ",".join(manifest.tags),
        metrics,
    ]


def _facts(run: FoundRun) -> dict[str, Any]:
    return {
        "run": run.name,
        "folder": run.place.shown,
        "bytes": _stored(run),
        "sessions": len(run.sessions),
        "checkpoints": [_checkpoint_facts(run, manifest) for manifest in reversed(run.manifests)],
        "damaged": {name: error.what for name, error in run.unreadable.items()},
    }


def _checkpoint_facts(run: FoundRun, manifest: Manifest) -> dict[str, Any]:
    lack = run.lack(manifest)
    return {
        "name": manifest.name,
        "step": manifest.step,
        "epoch": _epoch(manifest),
        "created": manifest.created,
        "new_bytes": _new(manifest),
        "total_bytes": _total(manifest),
        "complete": not lack,
        "lacks": lack or None,
        "tags": list(manifest.tags),
        "metrics": plain(manifest.metrics),
    }


def _epoch(manifest: Manifest) -> int | None:
    try:
        frames = Position.from_json(manifest.position).frames
    except DamagedCheckpoint:
        return None
    return next((frame.index for frame in frames if frame.kind == "epochs"), None)


def _new(manifest: Manifest) -> int:
    """The bytes that were written for this checkpoint, and not for one before it."""
    owners = {pack: found[1] for pack in manifest.packs if (found := PACK.fullmatch(pack)) is not None}
    return sum(info.size for pack, info in manifest.packs.items() if owners.get(pack) == manifest.name)


def _total(manifest: Manifest) -> int:
    return sum(info.size for info in manifest.packs.values())


def _stored(run: FoundRun) -> int:
    return sum(run.packs.values())


VERB = Verb(
    name="ls",
    summary="list the runs in a folder, or the checkpoints of one run",
    details="Sizes: `new` was written for the checkpoint itself, `total` includes what it shares with older ones.",
    examples=(
        "/content/drive/MyDrive/runs",
        "s3://bucket/runs/digits",
        "drive:colab_resume --credentials key.json",
        "runs --json",
    ),
    arguments=_arguments,
    run=_run,
)
