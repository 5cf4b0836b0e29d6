"""What every command of the command line is made of."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from ..display.terminal import Terminal

__all__ = ["Verb", "add_checkpoint", "add_json", "add_place"]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """One command: `summary` is one line, `details` follow it in its help, `examples` are arguments."""

    name: str
    summary: str
    details: str = ""
    examples: tuple[str, ...]
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Terminal], int]
    """Does it, and gives the exit status."""

    @property
    def epilog(self) -> str:
        """The end of its help."""
        return "\n".join(
            ["examples:", *(f"  colab-resume {self.name} {example}".rstrip() for example in self.examples)]
        )


_WHERE = "a folder, a URL such as s3://BUCKET/FOLDER, or drive:FOLDER for Google Drive without a mount"
_CREDENTIALS = (
    "for drive:FOLDER, the JSON key of a service account or of an authorized user, as '--credentials key.json'; "
    "otherwise that in COLAB_RESUME_CREDENTIALS, otherwise what this machine is logged in with"
)


def add_place(parser: argparse.ArgumentParser, name: str, what: str, *, optional: bool = False) -> None:
    """Let the user say where to look, and who he is there."""
    count = "?" if optional else None
    parser.add_argument(name, metavar=name.upper(), nargs=count, help=f"{what}: {_WHERE}")
    parser.add_argument("--credentials", metavar="FILE", help=_CREDENTIALS)


def add_checkpoint(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Let the user name a checkpoint."""
    text = f"a checkpoint's name, its step, or a tag; {otherwise}"
    parser.add_argument("checkpoint", metavar="CHECKPOINT", nargs="?", help=text)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let the user ask for the other form of the answer."""
    parser.add_argument("--json", action="store_true", help="write one JSON document to stdout, and nothing else")
