"""The command line: `colab-resume COMMAND ...`. Each command's answer is on stdout, all else on stderr.

Whatever goes wrong is one line and exit status 1, never a traceback; a call that cannot be meant is status 2. No
command but `pull`, `export` and `history --svg` writes anything, and none takes the lock of a run that it reads.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..display.terminal import Terminal, complain
from ..errors import ColabResumeError
from . import doctor, exporting, history, listing, metrics, pulling, showing, verifying
from .verbs import Verb

__all__ = ["COMMANDS", "main"]

_DEMO = "demo"
_VERBS = (
    listing.VERB,
    showing.VERB,
    verifying.VERB,
    pulling.VERB,
    exporting.VERB,
    history.VERB,
    metrics.VERB,
    doctor.VERB,
)

COMMANDS = (_DEMO, *(verb.name for verb in _VERBS))
"""What `--help` lists."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the answer has seen enough. At exit Python flushes stdout again, which must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except (ColabResumeError, OSError) as error:
        complain(_in_one_line(error))
        return 1
    return status


def _dispatch(words: list[str]) -> int:
    if words[:1] == [_DEMO]:
        from ..demo import main as demo

        return demo(words[1:])
    options = _parser().parse_args(words)
    verb: Verb = options.verb
    return verb.run(options, Terminal(as_json=getattr(options, "json", False)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="colab-resume",
        description="Look at, prove, copy and export the checkpoints of trainings that outlive their machine.",
        epilog="`colab-resume COMMAND --help` explains a command, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"colab-resume {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser(_DEMO, help="train, be killed, resume, and compare bit for bit, on this machine")
    for verb in _VERBS:
        one = commands.add_parser(
            verb.name,
            help=verb.summary,
            description="\n\n".join(text for text in (f"{verb.summary}.", verb.details) if text),
            epilog=verb.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.arguments(one)
        one.set_defaults(verb=verb)
    return parser


def _in_one_line(error: ColabResumeError | OSError) -> str:
    if isinstance(error, ColabResumeError):
        text = f"{error.what.rstrip('.')} — {error.hint}"
    else:
        text = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return " ".join(line.strip() for line in text.split("\n"))
