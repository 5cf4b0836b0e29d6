"""On a terminal questions are prompts, answered by keys; where there is no terminal there is nobody to ask."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colab_resume.colab import asking
from colab_resume.errors import UsageError

PROJECT = Path(__file__).parents[2]


def dialogue(code: str, prompt: str, keys: bytes, home: Path) -> str:
    """All that stands on a real terminal in the end; the keys are pressed when the prompt is there."""
    ours, theirs = pty.openpty()
    env = {"PYTHONPATH": str(PROJECT), "HOME": str(home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    process = subprocess.Popen([sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    shown, pressed, end = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 4096)
                except OSError:  # Linux says EIO when the other end is closed
                    break
            if not pressed and prompt.encode() in shown:
                os.write(ours, keys)
                pressed = True
        assert process.wait(10) == 0, shown.decode()
    finally:
        process.kill()
        os.close(ours)
    return shown.decode()


MOUNT = "from colab_resume.colab.stand_in import drive; drive.mount({point!r})"


@pytest.mark.parametrize(("keys", "chosen"), [(b"\n", "MyDrive"), (b"~/elsewhere\n", "elsewhere")])
def test_a_folder_is_typed_or_taken_as_proposed(keys: bytes, chosen: str, tmp_path: Path) -> None:
    """Then it stands for Drive."""
    code = MOUNT.format(point=str(tmp_path / "drive"))
    shown = dialogue(code, f"folder [{tmp_path / 'MyDrive'}]: ", keys, tmp_path)
    assert f"{tmp_path / chosen} stands for Google Drive" in shown
    assert (tmp_path / "drive" / "MyDrive").resolve() == tmp_path / chosen


@pytest.mark.parametrize(
    ("keys", "answer"), [(b"y\n", True), (b"YES\n", True), (b"\n", False), (b"yep\n", False), (b"\x04", False)]
)
def test_a_takeover_needs_a_clear_yes(keys: bytes, answer: bool, tmp_path: Path) -> None:
    """Enter alone is none."""
    code = (
        "from colab_resume.colab import asking; print('answer:', asking.takeover('digits', 'session k3f9a2 on vm-1'))"
    )
    shown = dialogue(code, "take over? [y/N] ", keys, tmp_path)
    assert "run 'digits': session k3f9a2 on vm-1." in shown
    assert f"answer: {answer}" in shown


def test_where_there_is_no_terminal_nobody_is_waited_for() -> None:
    """The error says so; a takeover is then no."""
    code = (
        "from pathlib import Path\n"
        "from colab_resume.colab import asking\n"
        "print(asking.takeover('digits', 'x'))\n"
        "try:\n"
        "    asking.current().folder('which?', proposed=Path('/x'))\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(PROJECT)},
    )
    assert done.stdout.startswith("False\nUsageError there is nobody to ask: which?")


def test_an_unnamed_file_is_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enter alone is not the folder one happens to be in."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "")
    with pytest.raises(UsageError, match="no file was named"):
        asking.Prompts().credentials("which?")
