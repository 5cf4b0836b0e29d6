"""Threads beside the training step back from the disk, and not from the processor."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from pathlib import Path

import pytest

from colab_resume.run import setup

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="asked by the number that this system gives it"
)

_IOPRIO_GET, _IDLE = 252, 3


def test_writer_and_mirror_step_back(tmp_path: Path) -> None:
    """The disk serves them last; their niceness is the training's, since they hold the interpreter in turns with it."""
    run = setup("background", store=tmp_path / "store", remote=tmp_path / "drive")
    run.state(best=0.0)
    for _ in run.steps(2):
        pass
    run.flush()
    threads = {one.name: one.native_id for one in threading.enumerate() if one.name.startswith("colab_resume-")}
    classes = {name: ctypes.CDLL(None).syscall(_IOPRIO_GET, 1, number) >> 13 for name, number in threads.items()}
    assert classes == {"colab_resume-writer": _IDLE, "colab_resume-mirror": _IDLE}
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    assert {os.getpriority(os.PRIO_PROCESS, number or 0) for number in threads.values()} == {nice}
    run.finish()
