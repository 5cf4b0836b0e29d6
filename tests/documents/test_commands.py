"""Every command that a document shows works, and every command and option there is stands in docs/command-line.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents.pages import DOCS, Block, Story, commands, lacking, pages, sections

from colab_resume.cli import COMMANDS, main

_PAGE = DOCS / "command-line.md"


def options_of(verb: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Those that its help names, whatever it says of them."""
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    return set(re.findall(r"^  (?:-\w, )?(--[a-z]+)", capsys.readouterr().out, re.MULTILINE))


def shown() -> list[tuple[str, list[str]]]:
    """Each command of each page, with the name of the page."""
    return [
        (page.name, words)
        for page in pages()
        for parts in sections(page).values()
        for part in parts
        if part.kind == "console"
        for words in commands(part)
    ]


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_and_option_is_documented(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the words of the command's section, not only in an example; what these say exists."""
    text = re.sub(r"^```.*?^```$", "", _PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    section = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    (own,) = [one for one in section if one.startswith(f"`{verb}`")]
    assert set(re.findall(r"--[a-z]+", own)) == options_of(verb, capsys) - {"--help"}


def test_no_command_is_documented_that_does_not_exist() -> None:
    assert re.findall(r"^## `([a-z]+)`$", _PAGE.read_text("utf-8"), re.MULTILINE) == [*COMMANDS[1:], COMMANDS[0]]


def test_every_option_that_is_shown_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """In README, CONTRIBUTING and docs."""
    known = {verb: options_of(verb, capsys) for verb in COMMANDS}
    for page, words in shown():
        given = {word for word in words if word.startswith("--")}
        if words[0] in COMMANDS:
            assert given <= known[words[0]], (page, words)
        else:
            assert words in (["--help"], ["--version"]), (page, words)


@pytest.mark.slow
def test_the_page_on_the_command_line_shows_what_comes_out(tmp_path: Path) -> None:
    """Each command runs on a real run, and answers as shown."""
    parts = [
        part
        for name, some in sections(_PAGE).items()
        for part in some
        if name and name != "`demo`" and part.kind in ("console", "text")
    ]
    said = iter(Story(tmp_path).tell([Block("python", _TRAINING), *parts]))
    out = next(said)
    for part in parts:
        if part.kind == "text":
            assert lacking(part.text, out) == [], out
        else:
            out = next(said)


_TRAINING = """
import colab_resume, torch

run = colab_resume.setup("digits", every=2)
model = torch.nn.Linear(4, 2)
run.track(model=model)
for step in run.steps(6):
    run.flush()
    run.log(loss=1 / (step + 1))
    if step == 3:
        run.save("before unfreezing")
run.finish()
"""
