"""The documentation as a program: its blocks, and lives that run them as a reader would.

A section of a page is one story. Its `python` blocks run one after the other in one process, its `console` blocks are
given to the command line. `<!-- new VM -->` on a line of its own ends that process without a word and begins another
one with an empty disk; `<!-- another tab -->` begins another one beside it. A `text` block is what came out: each of
its lines must be there, but for numbers, which differ each time.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from colab_resume.cli import main
from colab_resume.colab.choices import Choices
from colab_resume.colab.storage import DRIVE_CHOICE
from colab_resume.errors import ColabResumeError

__all__ = ["Block", "DOCS", "PROJECT", "Story", "blocks", "commands", "lacking", "pages", "sections"]

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
DRIVE = ("/content/drive/MyDrive/colab_resume", "drive:colab_resume", "s3://bucket/runs", "gs://class/runs")
"""What stands in the documents for the one folder of all runs."""
VM_DISK = "/content/.colab_resume"

_PARTS = re.compile(r"^ *```(\w*)([^\n]*)\n(.*?)^ *```$|^<!-- (new VM|another tab) -->$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_VARIES = (
    (r"\bsession [a-z0-9]{6}\b", "session S"),
    (r"\b[0-9]{10}-[a-z0-9]{6}\b", "CHECKPOINT"),
    (r"\bon \S+, since", "on HOST, since"),
    (r"\bweights [0-9a-f]+\b", "weights W"),
    (r"\b\d[\d.]*(ms| ms| s| min| h| kB| MB| GB| B)?\b", "N"),
    (r"just now|N ago", "lately"),
    (r"[ \t]+", " "),
)


@dataclass(frozen=True)
class Block:
    """`kind`: the language of a fenced block, or the words of a comment; `title`: the name of the file that it is."""

    kind: str
    text: str = ""
    title: str = ""


def pages() -> list[Path]:
    """Every document that is written for people."""
    return [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]


def blocks(text: str) -> list[Block]:
    """Those of a document, in order."""
    found = []
    for kind, options, inside, comment in _PARTS.findall(text):
        title = re.search(r'title="([^"]+)"', options)
        found.append(Block(comment or kind, dedent(inside), title[1] if title else ""))
    return found


def sections(page: Path) -> dict[str, list[Block]]:
    """The blocks below each heading of the second level; those before the first stand under ''."""
    parts = _HEADING.split(page.read_text("utf-8"))
    return {name: blocks(text) for name, text in zip(["", *parts[1::2]], parts[::2], strict=True)}


def commands(block: Block) -> list[list[str]]:
    """The words of each line of a console block that calls `colab-resume`."""
    lines = [shlex.split(line.removeprefix("$ ").partition(" > ")[0]) for line in block.text.splitlines()]
    return [words[1:] for words in lines if words[:1] == ["colab-resume"]]


def lacking(shown: str, out: str) -> list[str]:
    """The lines of `shown` that are not in `out`, apart from numbers."""
    there = _plain(out)
    return [line for line in shown.splitlines() if line.strip() and _plain(line).strip() not in there]


def _plain(text: str) -> str:
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return text


class Story:
    """The lives of one section, below `folder`; only the folder that stands for Drive outlives them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.drive = folder / "MyDrive"
        self._lives: list[_Life] = []
        self._begun = 0

    def tell(self, parts: Sequence[Block]) -> list[str]:
        """What came out of each block that is run; the last life ends when the story does."""
        found: list[str] = []
        chapters: list[list[Block]] = [[]]
        opened = ["new VM"]
        for part in parts:
            if part.kind in ("new VM", "another tab"):
                opened.append(part.kind)
                chapters.append([])
            elif part.kind in ("python", "console", "text") and not part.title:
                chapters[-1].append(part)
        try:
            for how, chapter in zip(opened, chapters, strict=True):
                if how == "new VM":
                    self.end()
                found += self._live(chapter)
        finally:
            self.end()
        return found

    def end(self) -> None:
        """All machines are gone."""
        while self._lives:
            self._lives.pop().end()

    def _live(self, chapter: Sequence[Block]) -> list[str]:
        self._begun += 1
        home = self.folder / f"vm {self._begun}"
        (home / "work").mkdir(parents=True)
        self.drive.mkdir(exist_ok=True)
        life = _Life(home, self.drive, chapter)
        self._lives.append(life)
        return life.said()


class _Life:
    """A process that runs blocks, tells what came out of them, and lives on until it is ended."""

    def __init__(self, home: Path, drive: Path, chapter: Sequence[Block]) -> None:
        answer, self._told = os.pipe()
        self._answer = answer
        self._process = os.fork()
        if self._process == 0:
            os.close(answer)
            self._be_it(home, drive, chapter)
        os.close(self._told)

    def said(self) -> list[str]:
        with os.fdopen(self._answer) as stream:
            told = json.loads(stream.read() or '{"failed": "it died without a word"}')
        assert "failed" not in told, told["failed"]
        return list(told["said"])

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def _be_it(self, home: Path, drive: Path, chapter: Sequence[Block]) -> None:
        try:
            os.setsid()
            os.environ["HOME"] = str(home)
            os.chdir(home / "work")
            Choices().keep(DRIVE_CHOICE, str(drive))
            told: dict[str, Any] = {"said": list(_run(chapter, drive, home))}
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test says so
            told = {"failed": f"{type(error).__name__}: {error}"}
        with os.fdopen(self._told, "w") as stream:
            json.dump(told, stream)
        threading.Event().wait()


def _run(chapter: Sequence[Block], drive: Path, home: Path) -> Iterator[str]:
    # As in a notebook; whose code a function is, is told by its module.
    sys.modules["__main__"] = notebook = ModuleType("__main__")
    names = vars(notebook)
    for block, after in zip(chapter, [*chapter[1:], Block("")], strict=True):
        if block.kind == "text":
            continue
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        logging.getLogger("colab_resume").addHandler(handler)
        try:
            with contextlib.redirect_stdout(out):
                if block.kind == "python":
                    exec(block.text, names)
                else:
                    _call(block, drive, home)
        except ColabResumeError as error:
            if after.kind != "text":
                raise
            out.write(f"{error}\n")
        finally:
            logging.getLogger("colab_resume").removeHandler(handler)
        yield out.getvalue()
    # What is not on the remote goes with this machine; a reader loses it later than a fast machine could.
    if (run := names.get("run")) is not None and run._is_open:
        run.flush(60)


def _call(block: Block, drive: Path, home: Path) -> None:
    for words in commands(block):
        kept = [word for word in words if word not in ("--credentials", "key.json")]
        for known in DRIVE:
            kept = [word.replace(known, str(drive / "colab_resume")) for word in kept]
        status = main([word.replace(VM_DISK, str(home / ".colab_resume")) for word in kept])
        assert status == 0, words
