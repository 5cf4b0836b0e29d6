"""Asking the user: what there is to be asked, and how a terminal does it.

Whoever composes the whole says with `use` who asks: prompts here, forms in a notebook. In a notebook no answer comes
while a cell runs, so there a question may raise `Unanswered`: the cell is run again when the answer has been given.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from ..errors import UsageError

__all__ = ["Asking", "Prompts", "current", "takeover", "use"]


class Asking(Protocol):
    """Each question raises `Unanswered` if the answer comes later, and `UsageError` if there is nobody to ask."""

    def say(self, line: str) -> None:
        """One line, at once: it is said before something that takes its time."""

    def folder(self, text: str, *, proposed: Path) -> Path:
        """Which folder? It need not exist."""

    def credentials(self, text: str) -> Path:
        """Which file holds the credentials?"""

    def confirm(self, text: str, *, button: str, about: str) -> bool:
        """May that be done? `button`: what is then done, in a word or two; `about`: to what. True for a clear yes."""


class Prompts:
    """Asks on a terminal."""

    def say(self, line: str) -> None:
        sys.stdout.write(f"colab_resume · {line}\n")
        sys.stdout.flush()

    def folder(self, text: str, *, proposed: Path) -> Path:
        return Path(_asked(text, f"folder [{proposed}]: ") or proposed).expanduser()

    def credentials(self, text: str) -> Path:
        given = _asked(text, "path of the JSON file: ")
        if not given:
            raise UsageError("no file was named", hint="call it again and give the path of a JSON file")
        return Path(given).expanduser()

    def confirm(self, text: str, *, button: str, about: str) -> bool:  # noqa: ARG002 - the question is asked at once
        return _asked(text, f"{button}? [y/N] ").lower() in ("y", "yes")


def _asked(text: str, prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"there is nobody to ask: {text}", hint="run it in a terminal or a notebook and answer there")
    sys.stdout.write(f"colab_resume · {text}\n")
    try:
        return input(prompt).strip()
    except EOFError as error:
        raise UsageError(f"there was no answer: {text}", hint="run it again and answer") from error


_in_use: list[Asking] = [Prompts()]


def use(asking: Asking) -> None:
    """From now on this one asks."""
    _in_use[:] = [asking]


def current() -> Asking:
    """The one who asks."""
    return _in_use[0]


def takeover(run: str, why: str) -> bool:
    """Whether the run is to be taken over from the session that works on it; `why` says which that is.

    False also where nobody can be asked, or where the answer comes later, to a form that is then shown: the refusal
    stands, and the call that was refused asks again when it is made again.
    """
    text = f"run {run!r}: {why}. If you take it over, that session stops writing and keeps its checkpoints."
    try:
        return current().confirm(text, button="take over", about=run)
    except UsageError:
        return False
