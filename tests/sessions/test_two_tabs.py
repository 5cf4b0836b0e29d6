"""Two tabs start at the same moment, on Drive by its API and on its mount: one writes, and the other is told."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive_server.server import DriveServer
from drivefs.fixtures import needs_fuse
from drivefs.mount import DriveFS

from colab_resume.errors import RunInUse
from colab_resume.remotes import BytesSource, Remote
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.remotes.drive_mount import DriveMount
from colab_resume.remotes.prefixed import PrefixedRemote
from colab_resume.remotes.retrying import Retrying
from colab_resume.sessions.identity import SessionRecord
from colab_resume.sessions.lease import lease_for
from colab_resume.sessions.machine import read_boot_id

__all__ = ["needs_fuse"]

_TRIALS = 200
_PAUSE = threading.Event()


def record(session: str) -> SessionRecord:
    """Of a process that lives, as far as the other one can see: the first of this machine."""
    usual = {"host": "h", "pid": 1, "boot_id": read_boot_id(), "step": 0, "versions": {}}
    return SessionRecord(id=session, started=4e9, heartbeat=4e9, **usual)  # type: ignore[arg-type]


def start(remotes: list[Remote]) -> list[str]:
    """What becomes of two sessions that begin together and then want to write."""
    meeting, outcome = threading.Barrier(len(remotes)), [""] * len(remotes)

    def live(number: int) -> None:
        # A pause that nobody ends: what is waited for is real, and short.
        lease = lease_for(remotes[number], record(f"tab00{number}"), wait=lambda seconds: _PAUSE.wait(seconds / 50))
        meeting.wait(60)
        try:
            lease.acquire()
            lease.check()
            lease.check()
            outcome[number] = "writes"
        except RunInUse:
            outcome[number] = "told"

    threads = [threading.Thread(target=live, args=(number,)) for number in range(len(remotes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(outcome)


def trials(remotes: list[Remote], numbers: range) -> None:
    """Each in a folder of its own, through what `setup` puts around a remote."""
    for number in numbers:
        both: list[Remote] = [
            Retrying(PrefixedRemote(remote, f"run-{number}"), wait=lambda seconds: _PAUSE.wait(seconds / 50))
            for remote in remotes
        ]
        assert start(both) == ["told", "writes"], number


@pytest.mark.slow
@pytest.mark.parametrize("tens", range(10))
def test_by_the_api_drive_itself_decides(tens: int) -> None:
    """200 times: the same content can be replaced by one of them only."""
    from google.oauth2.credentials import Credentials

    numbers = range(tens * _TRIALS // 10, (tens + 1) * _TRIALS // 10)
    with DriveServer() as server:
        remotes: list[Remote] = [
            DriveAPI("runs", credentials=Credentials(server.new_token()), root_url=server.url) for _ in range(2)
        ]
        remotes[0].put("made", BytesSource(b"so that there is one folder"))
        trials(remotes, numbers)
        # Both may have made a run's folder, and then there are two of its name; there is one lease all the same.
        [runs] = server.account.find("runs")
        leases = Counter(
            folder.name
            for folder in server.account.children(runs.id)
            for item in server.account.children(folder.id)
            if item.name == "lease.json"
        )
        assert leases == {f"run-{number}": 1 for number in numbers}
        assert server.violations == []


@pytest.fixture
def two_vms(needs_fuse: None, tmp_path: Path) -> Iterator[list[DriveFS]]:
    """Two mounts of one account, whose files are uploaded in the background."""
    with DriveFS(tmp_path / "one") as one, DriveFS(tmp_path / "two", cloud=one.cloud) as two:
        yield [one, two]


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_on_the_mount_whoever_came_later_steps_back(two_vms: list[DriveFS]) -> None:
    """200 times, on two VMs: numbered claims, and a look when the other one can have seen them."""
    trials([DriveMount(vm.drive / "runs", lag=0.5) for vm in two_vms], range(_TRIALS))


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_on_one_mount_two_processes_do_not_both_write(two_vms: list[DriveFS]) -> None:
    """Two notebooks on one VM; a third of the trials, since nothing else is different."""
    counter = itertools.count()
    for _ in range(_TRIALS // 3):
        folder = two_vms[0].drive / f"one-{next(counter)}"
        assert start([Retrying(DriveMount(folder, lag=0.5)) for _ in range(2)]) == ["told", "writes"]
