"""The bar of a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from colab_resume.display.progress import ProgressBar
from colab_resume.status import Progress

PROJECT = Path(__file__).parent.parent.parent
TRAINING = """
import time
from colab_resume.display.progress import ProgressBar
from colab_resume.status import Progress
bar = ProgressBar("digits")
until = time.monotonic() + 0.9
step = 3 * 400 + 40
while time.monotonic() < until:
    bar.update(Progress(epoch=step // 400, epochs=10, batch=step % 400, batches=400), step)
    step += step % 400 != 399
    time.sleep(0.001)
bar.close()
bar.close()
bar.update(Progress(), step)
import threading
assert threading.active_count() == 1
"""


def test_a_terminal_shows_the_epoch_and_its_batches() -> None:
    """Counted from where a restart came in, redrawn ten times a second at most, and gone at the end."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    with subprocess.Popen([sys.executable, "-c", TRAINING], stderr=follower, cwd=PROJECT) as process:
        os.close(follower)
        said = read_all(leader)
        assert process.wait(60) == 0
    frames = said.split("\r")
    drawn = [frame for frame in frames if "digits" in frame]
    assert "epoch 4 of 10" in drawn[-1]
    assert "/400" in drawn[-1]
    assert len(drawn) < 20
    assert frames[-1].strip() == ""


def read_all(descriptor: int) -> str:
    """Until the other end is closed, which a pty reports as an error."""
    said = b""
    try:
        while piece := os.read(descriptor, 4096):
            said += piece
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return said.decode()


def test_where_nobody_watches_it_is_silent_and_starts_no_thread(capfd: pytest.CaptureFixture[str]) -> None:
    """A pipe, a log file, a notebook."""
    before = threading.active_count()
    bar = ProgressBar("digits")
    for step in range(1000):
        bar.update(Progress(steps=1000), step)
    bar.close()
    assert capfd.readouterr() == ("", "")
    assert threading.active_count() == before
