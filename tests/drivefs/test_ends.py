"""Whatever happens to a test, neither a mount nor a process is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from drivefs.mount import DriveFS
from drivefs.rclone import RcloneMount

__all__: list[str] = []

pytestmark = [pytest.mark.usefixtures("needs_fuse"), pytest.mark.root, pytest.mark.xdist_group("machine")]

MOUNTS = {"drive": DriveFS, "rclone": RcloneMount}

TEST = """
import os, signal, sys, threading
from pathlib import Path
from drivefs.test_ends import MOUNTS, processes_of
fs = MOUNTS[sys.argv[1]](Path(sys.argv[2]))
fs.mount()
if sys.argv[3] == "dead":
    fs.die()
processes = processes_of(fs.place)
if sys.argv[3] == "forked" and os.fork() == 0:
    signal.pause()
if sys.argv[3] == "hung":
    (fs.drive / "a").touch()
    fs.change(latency={"unlink": 600.0})
    thread = threading.Thread(target=(fs.drive / "a").unlink)
    thread.start()
    thread.join(0.1)
print(*processes, flush=True)
signal.pause()
"""


def processes_of(place: Path) -> list[int]:
    """The ids of the processes that were told this place on their command line."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = line.read_bytes()
        except OSError:
            continue
        if os.fsencode(place) in told and int(line.parent.name) != os.getpid():
            found.append(int(line.parent.name))
    return found


def is_mounted(place: Path) -> bool:
    return f" {place}/" in Path("/proc/mounts").read_text()


def wait_for_end(process: int) -> None:
    """Of a process that is not a child of this one."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return
    assert select.select([handle], [], [], 20)[0], f"process {process} lives on"
    os.close(handle)


@pytest.mark.parametrize("kind", MOUNTS)
def test_a_failing_test_leaves_nothing(tmp_path: Path, kind: str) -> None:
    """An exception in the block, also after a death, ends the mount and its processes."""
    for dies in (False, True):
        with pytest.raises(ZeroDivisionError), MOUNTS[kind](tmp_path) as fs:
            assert is_mounted(tmp_path)
            assert len(processes_of(tmp_path)) == 2
            if dies:
                fs.die()
            raise ZeroDivisionError
        assert not is_mounted(tmp_path)
        assert processes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("kind", "state", "count"),
    [(kind, *case) for kind in MOUNTS for case in (("alive", 2), ("dead", 1), ("forked", 2))] + [("drive", "hung", 2)],
)
def test_a_killed_pytest_leaves_nothing(tmp_path: Path, kind: str, state: str, count: int) -> None:
    """SIGKILL of the process that mounted ends the mount and its processes, also if DriveFS was dead before.

    Neither a process that the test has forked, and that holds all its descriptors, keeps the mount alive, nor a thread
    of the killed one that waits for an answer of the mount and cannot die before it.
    """
    test = subprocess.Popen(
        [sys.executable, "-c", TEST, kind, str(tmp_path), state],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert test.stdout is not None
    with test.stdout:
        processes = [int(process) for process in test.stdout.readline().split()]
        assert len(processes) == count
        assert is_mounted(tmp_path)
        test.kill()
    for process in processes:
        wait_for_end(process)
    test.wait()
    assert not is_mounted(tmp_path)
    with suppress(ProcessLookupError):
        os.killpg(test.pid, signal.SIGKILL)
