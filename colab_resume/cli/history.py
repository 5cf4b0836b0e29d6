"""`history`: all sessions of a run, what each lost and how it ended, as text, as JSON, and as a picture."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..display.tables import duration, table
from ..display.terminal import Terminal
from ..display.timeline import timeline_svg
from ..durable import write_durably
from ..errors import DamagedCheckpoint
from ..sessions.history import clock_problem
from ..sessions.identity import SessionRecord
from ..sessions.lives import lives
from ..sessions.times import date, span
from ..status import Life
from .runs import FoundRun, open_run
from .verbs import Verb, add_json, add_place

__all__ = ["VERB", "ending"]

_COLUMNS = ("session", "began", "because", "where", "lived", "steps", "lost", "ended")
_ENDS = {"clean": "finished", "interrupted": "stopped by the user", "exited": "exited without run.finish()"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "run", "one run")
    parser.add_argument("--svg", metavar="FILE", type=Path, help="also draw the sessions over time into this file")
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, options.credentials)
    now = time.time()
    records = _records(run, terminal)
    found = lives(list(records.values()), now=now, restorable=_restorable(run))
    if problem := clock_problem(list(records.values()), now):
        terminal.note(problem)
    if options.svg is not None:
        picture = timeline_svg(found, now=now).encode()
        write_durably(options.svg, lambda sink: sink.write(picture))
    errors = {name: record.error for name, record in records.items()}
    terminal.document(_facts(run, found, errors))
    rows = [_row(life, errors[life.session]) for life in found]
    terminal.lines(table(_COLUMNS, rows, right=("lived", "lost"), columns=terminal.columns))
    terminal.line("")
    terminal.line(_totals(found))
    return 0


def _records(run: FoundRun, terminal: Terminal) -> dict[str, SessionRecord]:
    """By the sessions' ids; those that cannot be read are told of."""
    found = {}
    for name, content in run.records().items():
        try:
            record = SessionRecord.from_bytes(content)
        except DamagedCheckpoint as error:
            terminal.note(f"sessions/{name} skipped: {error.what}")
        else:
            found[record.id] = record
    return found


def _restorable(run: FoundRun) -> int:
    """The step that the next session would go on from, as far as sizes tell."""
    return next((manifest.step for manifest in reversed(run.manifests) if not run.lack(manifest)), 0)


def _row(life: Life, error: str) -> list[str]:
    steps = f"{life.first_step} to {life.last_step}"
    lived = span(life.last_sign - life.began)
    return [
        life.session,
        date(life.began),
        life.why or "-",
        life.machine,
        lived,
        steps,
        _lost(life),
        ending(life, error),
    ]


def _lost(life: Life) -> str:
    """Of one that went silent its last sign of life says how far it had come then; nobody knows what it did after."""
    lost = f"{life.lost_steps} = {duration(life.lost_seconds)}" if life.lost_steps else "-"
    if not _went_silent(life):
        return lost
    return f"at least {lost}" if life.lost_steps else "unknown"


def _went_silent(life: Life) -> bool:
    return not life.ended and not life.lives


def ending(life: Life, error: str) -> str:
    """How a session ended, in words; `error`: why it failed, if its record says so."""
    if life.ended == "failed":
        return f"failed: {error}" if error else "failed"
    return "lives" if life.lives else _ENDS.get(life.ended, "went silent")


def _totals(found: Sequence[Life]) -> str:
    """`3 restarts, at least 2 min 04 s lost of 5 h 11 min`."""
    if not found:
        return "no session has left a record that can be read"
    count = len(found) - 1
    restarts = "no restart" if count == 0 else "1 restart" if count == 1 else f"{count} restarts"
    lost = sum(life.lost_seconds for life in found)
    lived = duration(sum(life.last_sign - life.began for life in found))
    if not any(map(_went_silent, found)):
        return f"{restarts}, {duration(lost) if lost else 'nothing'} lost of {lived}"
    known = f"at least {duration(lost)}" if lost else "an unknown time"
    return f"{restarts}, {known} lost of {lived}"


def _facts(run: FoundRun, found: Sequence[Life], errors: dict[str, str]) -> dict[str, Any]:
    return {
        "run": run.name,
        "folder": run.place.shown,
        "restarts": max(0, len(found) - 1),
        "lost_steps": sum(life.lost_steps for life in found),
        "lost_seconds": sum(life.lost_seconds for life in found),
        "lived_seconds": sum(life.last_sign - life.began for life in found),
        "sessions": [{**asdict(life), "error": errors[life.session]} for life in found],
    }


VERB = Verb(
    name="history",
    summary="list all sessions of a run: when, where, what each lost, how it ended",
    details=(
        "`because` is what began a session, `steps` from where to where it came, and `lost` what had to be done again: "
        "steps, and the time they had taken; where a session went silent, up to its last sign of life. Times are local."
    ),
    examples=(
        "runs/digits",
        "s3://bucket/runs/digits --svg lives.svg",
        "drive:colab_resume/digits --json --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
