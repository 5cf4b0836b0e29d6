"""`metrics`: what was logged, up to the newest checkpoint, as CSV."""

from __future__ import annotations

import argparse
import csv
import io

from ..display.terminal import Terminal
from ..training.journal import Mark, history
from .runs import first_good, open_run
from .verbs import Verb, add_checkpoint, add_place

__all__ = ["VERB"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "run", "one run")
    add_checkpoint(parser, "what was logged until then; until the newest one otherwise")


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    run = open_run(options.run, options.credentials)
    _, mark = first_good(run, options.checkpoint, lambda one: Mark.from_json(one.journal), terminal.note)
    with run.journal_folder() as folder:
        found = history(folder, mark)
    for flaw in found.flaws:
        terminal.note(flaw)
    names = list(dict.fromkeys(name for record in found.records for name in record.values))
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(["step", "epoch", "session", *names])
    for record in found.records:
        values = (record.values.get(name) for name in names)
        writer.writerow([record.step, record.epoch, record.session, *values])
    terminal.lines(sheet.getvalue().removesuffix("\n").split("\n"))
    return 0


VERB = Verb(
    name="metrics",
    summary="write everything that was logged as CSV, without what lost steps had logged",
    examples=(
        "runs/digits > metrics.csv",
        "runs/digits 1240",
        "drive:colab_resume/digits --credentials key.json",
    ),
    arguments=_arguments,
    run=_run,
)
