"""The command: what was found, in the order of the page, without what is secret."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC

from ...display.terminal import Terminal
from ...errors import UsageError
from ...sessions.times import date
from ..verbs import Verb, add_json, add_place
from .afar import Asked
from .asking import answers
from .findings import Finding, whatever_happens
from .here import found_here
from .privacy import Privacy

__all__ = ["VERB"]

_SECONDS = 15.0


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_place(parser, "run", "one run, or what holds runs; where setup() would save here otherwise", optional=True)
    text = f"how long a mount or a server may take to answer ({_SECONDS:g})"
    parser.add_argument("--wait", metavar="SECONDS", type=float, default=_SECONDS, help=text)
    add_json(parser)


def _run(options: argparse.Namespace, terminal: Terminal) -> int:
    if not options.wait > 0:
        raise UsageError(f"--wait {options.wait:g} is no time", hint="give a number of seconds, as --wait 60")
    privacy = Privacy(options.run or "")
    asked = Asked(where=options.run, credentials=options.credentials, seconds=options.wait)
    findings = [replace(finding, text=privacy.told(finding.text)) for finding in _found(asked)]
    good = not any(finding.wrong for finding in findings)
    terminal.document({"ok": good, "findings": [asdict(finding) for finding in findings]})
    terminal.lines(_page(findings))
    return 0 if good else 1


def _found(asked: Asked) -> Iterator[Finding]:
    yield from found_here()
    yield from whatever_happens("questions", lambda: answers(asked))


def _page(findings: list[Finding]) -> list[str]:
    wrong = sum(finding.wrong for finding in findings)
    verdict = f"wrong: {wrong}, marked by !" if wrong else "nothing wrong was found"
    lines = [f"{'!' if one.wrong else ' '} {one.about:<11}  {one.text}" for one in findings]
    return [f"colab-resume doctor · {date(time.time(), UTC)} UTC", *lines, verdict]


VERB = Verb(
    name="doctor",
    summary="say on one page how things are here, to be pasted into a bug report",
    details=(
        "Versions, the place, the mount, free space, the newest checkpoint, how the last sessions ended. It shows no "
        "keys, mail addresses or user names, as far as they can be told from other words: read it before you paste it. "
        "Nothing is written or mounted. Exit status: 0 if nothing wrong was found, otherwise 1, and ! marks it."
    ),
    examples=(
        "",
        "/content/drive/MyDrive/colab_resume/digits",
        "s3://bucket/runs --wait 60",
        "drive:colab_resume/digits --credentials key.json --json",
    ),
    arguments=_arguments,
    run=_run,
)
