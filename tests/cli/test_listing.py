"""`ls`: what is in a folder, at a glance."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from run_folders import flip, forge, manifests, own_pack, picture

from colab_resume.display.tables import width

from .conftest import Call


def test_a_remote_shows_its_runs(call: Call, drive: Path) -> None:
    """Each run is a line: name, newest step, when, how many checkpoints, how large, how many sessions."""
    answer = call("ls", drive)
    head, digits, other = answer.lines
    assert answer.status == 0
    assert head.split() == ["run", "step", "saved", "checkpoints", "size", "sessions"]
    count = len(manifests(drive / "digits"))
    assert re.fullmatch(rf"digits +12 +(just now|\d+ (s|min) ago) +{count} +\d+\.\d kB +2", digits)
    assert other.split()[:3] == ["数字", "ä", "3"]


def test_wide_letters_do_not_push_columns_apart(call: Call, drive: Path) -> None:
    """The columns line up on a terminal, where a Chinese character takes two."""
    head, *rows = call("ls", drive).lines
    assert {width(line) for line in (head, *rows)} == {width(head)}


def test_a_run_shows_its_checkpoints(call: Call, digits: Path) -> None:
    """The newest comes first; sizes say what was new in each, tags and metrics are there."""
    answer = call("ls", digits)
    there = manifests(digits)
    assert [line.split()[0] for line in answer.lines[1:]] == [manifest.name for manifest in reversed(there)]
    (tagged,) = [line for line in answer.lines if "first half" in line]
    assert tagged.startswith("0000000006-")
    assert all("complete" in line and "loss=" in line for line in answer.lines[1:])


def test_json_is_the_whole_of_stdout(call: Call, drive: Path) -> None:
    """With --json there is one document and nothing else; a run's own is the same as in the list."""
    both = json.loads(call("ls", drive, "--json").out)["runs"]
    assert [run["run"] for run in both] == ["digits", "数字 ä"]
    one = json.loads(call("ls", drive / "digits", "--json").out)
    assert one == both[0]
    assert one["checkpoints"][0]["step"] == 12
    assert one["checkpoints"][0]["complete"] is True
    total = sum(path.stat().st_size for path in (drive / "digits" / "packs").iterdir())
    assert one["bytes"] == total


def test_what_is_not_whole_is_shown_as_such(call: Call, digits: Path) -> None:
    """A checkpoint without a pack is incomplete, and one without a sound manifest is damaged."""
    there = manifests(digits)
    own_pack(digits, 0).unlink()
    flip(digits / "checkpoints" / f"{there[1].name}.json")
    lines = {line.split()[0]: line for line in call("ls", digits).lines}
    assert " incomplete" in lines[there[0].name]
    assert " damaged" in lines[there[1].name]
    assert " complete" in lines[there[2].name]
    assert "1 damaged" in call("ls", digits.parent).lines[1]


def test_a_store_in_use_can_be_listed(call: Call, digits: Path) -> None:
    """What a live run is just writing is not taken for a damaged checkpoint."""
    (digits / "checkpoints" / "tmp-12345678-0000000099-aaaaaa.json").write_bytes(b"{")
    (digits / "packs" / "0000000099-aaaaaa-0.safetensors.part").write_bytes(b"")
    before = picture(digits)
    answer = call("ls", digits)
    assert answer.status == 0
    assert "damaged" not in answer.out
    assert picture(digits) == before


def test_lines_fit_the_terminal(call: Call, digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 60 columns no line is longer, and what was cut shows it."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    lines = call("ls", digits).lines
    assert max(map(width, lines)) == 60
    assert lines[1].endswith("…")


def test_nothing_in_a_folder_can_steer_the_terminal(call: Call, digits: Path) -> None:
    """Control characters in a name and in a tag are spelled out."""
    evil = digits.rename(digits.parent / "evil\x1b[31m\u202e")
    newest = manifests(evil)[-1].name
    forge(evil / "checkpoints" / f"{newest}.json", lambda document: document.update(tags=["a\x1b]0;b\nc"]))
    for answer in (call("ls", digits.parent), call("ls", evil), call("show", evil)):
        assert answer.status == 0
        assert all(line.isprintable() for line in answer.lines)
    assert "evil\\x1b[31m\\u202e" in call("ls", digits.parent).out
    assert "a\\x1b]0;b\\nc" in call("ls", evil).out
