"""Real processes that write folders and mirror them are killed at random moments; what comes back was once complete.

The seconds that a folder must rest are shortened, since here a state is written within milliseconds.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

import pytest
from folders.conftest import VM, content
from folders.writing import SETTLE_SECONDS, STYLES, digest, note_killed, states, was_slow

from colab_resume.remotes.folder import FolderRemote

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[1]


def write_in(style: str, folder: Path, journal: Path, seed: int) -> subprocess.Popen[bytes]:
    """A process that writes there once it gets a line."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "folders.writing", style, str(folder), str(journal), str(seed)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(TESTS)}, stdin=subprocess.PIPE)


def mirror_in_a_child(disk: Path, remote: Path, tell: int) -> int:
    """A training's process: its run mirrors the folder until it is killed. `tell` hears that the folder is tracked."""
    child = os.fork()
    if child == 0:
        try:
            _mirror(disk, remote, tell)
        finally:
            traceback.print_exc()
            os._exit(1)
    return child


def _mirror(disk: Path, remote: Path, tell: int) -> None:
    vm = VM(disk, FolderRemote(remote), settle=SETTLE_SECONDS)
    vm.track()
    os.write(tell, b"\n")
    while True:
        if vm.folders.look(0):
            vm.folders.sync(lambda: False)
        time.sleep(0.03)


def live(style: str, disk: Path, remote: Path, journal: Path, *, seed: int, seconds: float) -> None:
    """One life: the folder is tracked, then written to and mirrored; after so many seconds both are killed."""
    with write_in(style, disk / "work" / "weights", journal, seed) as writer:
        tracked, tell = os.pipe()
        child = mirror_in_a_child(disk, remote, tell)
        os.close(tell)
        said = os.read(tracked, 1)
        os.close(tracked)
        assert said, "what was mirrored could not be brought back"
        assert writer.stdin is not None
        writer.stdin.write(b"\n")
        writer.stdin.flush()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        writer.kill()
    note_killed(journal)


@pytest.mark.parametrize("style", STYLES)
def test_whatever_is_killed_whenever_a_new_vm_gets_what_was_once_complete(tmp_path: Path, style: str) -> None:
    """Four lives, on the same disk or a new one; the states that come back are states that were, and none is older."""
    chance = random.Random(style)
    journal, newest, came = tmp_path / "journal", -1, 0
    disk = tmp_path / "0"
    for life in range(4):
        if chance.random() < 0.6:
            disk = tmp_path / f"{life + 1}"
        seconds = 2.5 + 1.5 * chance.random()
        live(style, disk, tmp_path / "remote", journal, seed=life, seconds=seconds)
        known = states(journal)
        vm = VM(tmp_path / f"new {life}", FolderRemote(tmp_path / "remote"))
        vm.track()
        if not vm.path.exists():
            continue
        state = digest(content(vm.path))
        if state not in known and was_slow(journal):
            continue  # the machine stood still while a state was written: nobody can know that from a complete one
        found = known.index(state)
        assert found >= newest
        newest, came = found, came + 1
    assert came >= 2
