"""The command itself: help, exit statuses, one clear line for whatever goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import manifests

from colab_resume import __version__, cli
from colab_resume.cli import COMMANDS, listing, main
from colab_resume.errors import StoreError

from .conftest import Call

PROJECT = Path(__file__).parents[2]
READING = ("ls", "show", "verify", "history", "metrics")


def command(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    words = (sys.executable, "-m", "colab_resume", *map(str, words))
    return subprocess.run(words, cwd=PROJECT, text=True, capture_output=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists what COMMANDS lists."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert [word for word in listed if word in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its `--help` has examples that call it by its name."""
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert f"colab-resume {name} " in capsys.readouterr().out.partition("examples:")[2]


def test_the_version_is_told() -> None:
    """`--version` is the package's."""
    assert command("--version").stdout == f"colab-resume {__version__}\n"


@pytest.mark.parametrize("words", [[], ["lst"], ["ls"], ["ls", "a", "--jsno"], ["export", "a"]])
def test_a_misspelled_call_is_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What argparse refuses has the usual status and a usage line."""
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: colab-resume" in capsys.readouterr().err


@pytest.mark.parametrize("name", READING)
def test_a_folder_that_is_none_is_one_line(call: Call, tmp_path: Path, name: str) -> None:
    """No folder, a file, an empty folder, a URL that nobody knows: status 1, one line, what to do."""
    (tmp_path / "file").write_text("")
    (tmp_path / "leer ü").mkdir()
    cases = {
        tmp_path / "nowhere": "there is no folder",
        tmp_path / "file": "is a file, not a folder",
        tmp_path / "leer ü": "leer ü",
        "nonsense://bucket/runs": "cannot open nonsense://bucket/runs",
        "": "is no folder",
        "a\0b": "is no folder",
    }
    for where, reason in cases.items():
        answer = call(name, where)
        assert answer.status == 1
        assert answer.out == ""
        (line,) = answer.err.splitlines()
        assert line.startswith("colab-resume: ")
        assert reason in line
        assert " — " in line


def test_a_folder_of_runs_is_no_run(call: Call, drive: Path, tmp_path: Path) -> None:
    """Where one run is asked for, the runs that are there are named."""
    answer = call("show", drive)
    assert answer.status == 1
    assert "holds runs: digits, 数字 ä" in answer.err
    assert f"give the folder of one, as '{drive / 'digits'}'" in answer.err


def test_a_folder_that_may_not_be_read_is_one_line(call: Call, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is told with the path and its reason."""

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    answer = call("ls", digits)
    assert answer.status == 1
    (line,) = answer.err.splitlines()
    assert line.startswith(f"colab-resume: cannot list {digits}: Permission denied — ")


def test_an_error_of_several_lines_is_one_line(call: Call, monkeypatch: pytest.MonkeyPatch, digits: Path) -> None:
    """However an error is worded, stderr has one line of it."""

    def fail(where: str, credentials: None) -> None:
        raise StoreError("first\n  second.", hint="third\nfourth")

    monkeypatch.setattr(listing, "find_runs", fail)
    assert call("ls", digits).err == "colab-resume: first second — third fourth\n"


def test_an_interrupt_is_status_130(call: Call, monkeypatch: pytest.MonkeyPatch, digits: Path) -> None:
    """Ctrl-C says so, and nothing more."""

    def interrupt(where: str, credentials: None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "find_runs", interrupt)
    answer = call("ls", digits)
    assert (answer.status, answer.out, answer.err) == (130, "", "colab-resume: interrupted\n")


@pytest.mark.parametrize("words", [["show", "--tensors"], ["verify"], ["ls", "--json"], ["history"], ["metrics"]])
def test_a_reader_that_stops_early_is_no_error(digits: Path, words: list[str]) -> None:
    """`| head` has seen enough: stderr stays empty."""
    reading, writing = os.pipe()
    os.close(reading)
    call = [sys.executable, "-m", "colab_resume", words[0], str(digits), *words[1:]]
    # Buffered, as usual: then Python flushes once more at exit.
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(call, cwd=PROJECT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=env)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode not in (0, -signal.SIGPIPE)


@pytest.mark.parametrize("name", READING)
def test_a_terminal_that_knows_only_ascii_gets_ascii(drive: Path, name: str) -> None:
    """Whatever a run is called, an old terminal gets the answer."""
    done = command(name, drive / "数字 ä", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stderr == ""
    done = command("show", drive / "数字", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert "\\u6570" in done.stderr


def test_names_that_are_no_text_are_shown(call: Call, drive: Path) -> None:
    """A folder whose name is not UTF-8 is listed by its escapes, as text and as JSON."""
    (drive / "digits").rename(drive / os.fsdecode(b"dig\xffts"))
    assert "dig\\udcffts" in call("ls", drive).out
    assert "dig\\udcffts" in call("ls", drive, "--json").out


def test_looking_needs_no_torch(digits: Path) -> None:
    """All that only looks or copies answers without importing torch, which takes seconds."""
    code = "import sys; from colab_resume.cli import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    for words in (
        ["ls"],
        ["show", "--tensors"],
        ["verify", "--all"],
        ["history"],
        ["metrics"],
        ["doctor"],
        ["pull", "dest"],
    ):
        more = [str(digits.parent.parent / word) if word == "dest" else word for word in words[1:]]
        line = [sys.executable, "-c", code, words[0], str(digits), *more]
        done = subprocess.run(line, cwd=PROJECT, text=True, capture_output=True, check=True)
        assert done.stdout.splitlines()[-1] == "0 False"


def test_a_checkpoint_that_goes_away_meanwhile_is_not_damaged(call: Call, digits: Path) -> None:
    """A live run deletes a manifest and then its packs; who had read the manifest before does not cry wolf."""
    from colab_resume.cli import runs, verifying

    run = runs.open_run(str(digits))
    gone = manifests(digits)[0]
    (digits / "checkpoints" / f"{gone.name}.json").unlink()
    for pack in gone.packs.keys() - {pack for manifest in manifests(digits) for pack in manifest.packs}:
        (digits / "packs" / pack).unlink()
    found = list(verifying._look(run, [].append, everything=True))
    assert gone.name not in {finding.what for finding in found}
    assert {finding.state for finding in found} == {"ok"}


def test_the_module_is_the_command() -> None:
    """`python -m colab_resume` and the installed script are the same function."""
    assert cli.main is main
    assert "cli:main" in (PROJECT / "pyproject.toml").read_text()
