"""What a command says: lines for a person or one JSON document on stdout, notes on stderr, and never both forms."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

from .bars import write_above_bars
from .tables import printable

__all__ = ["Terminal", "complain"]


class Terminal:
    """Where a command's answer goes; `as_json` chooses which of its two forms is shown."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    @property
    def columns(self) -> int | None:
        """How wide the terminal is; None if there is none, and lines may be of any length."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def lines(self, lines: Sequence[str]) -> None:
        """Show these to a person."""
        for line in lines:
            self.line(line)

    def line(self, line: str) -> None:
        """Show this to a person, now."""
        if not self._as_json:
            write_above_bars(_spellable(printable(line), sys.stdout.encoding))

    def document(self, document: Any) -> None:
        """Show this to a program; once, at the end."""
        if self._as_json:
            print(json.dumps(document, indent=2, allow_nan=False))

    def note(self, line: str) -> None:
        """Say something beside the answer."""
        complain(line)


def complain(line: str) -> None:
    """One line on stderr, under the command's name."""
    print(_spellable(f"colab-resume: {printable(line)}", sys.stderr.encoding), file=sys.stderr)


def _spellable(line: str, encoding: str | None) -> str:
    """A terminal may know fewer characters than the line has."""
    known = encoding or "utf-8"
    return line.encode(known, "backslashreplace").decode(known)
