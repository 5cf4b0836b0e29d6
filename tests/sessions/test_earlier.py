"""The sessions before this one, as the disk and the remote tell of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

import colab_resume
from colab_resume.remotes import BytesSource
from colab_resume.sessions.earlier import earlier_sessions
from colab_resume.sessions.history import next_number
from colab_resume.sessions.identity import SessionRecord
from colab_resume.testing import ManualClock, MemoryRemote


def record(session: str) -> SessionRecord:
    usual = {"host": "h", "pid": 1, "boot_id": None, "step": 0, "versions": {}}
    return SessionRecord(id=session, started=1.0, heartbeat=2.0, **usual)  # type: ignore[arg-type]


def test_both_places_are_asked_and_nobody_counts_twice(tmp_path: Path) -> None:
    """Not what cannot be read, and not the session that asks, whose record is there already."""
    remote = MemoryRemote()
    for one in ("aaaaaa", "bbbbbb", "cccccc"):
        remote.put(f"sessions/{record(one).file_name}", BytesSource(record(one).to_bytes()))
    remote.put("sessions/20261120T140211Z-dddddd.json", BytesSource(b"{"))
    record("aaaaaa").save(tmp_path)
    record("eeeeee").save(tmp_path)
    found = sorted(one.id for one in earlier_sessions(tmp_path, remote, but="cccccc"))
    assert found == ["aaaaaa", "bbbbbb", "eeeeee"]


def test_what_was_said_last_counts(tmp_path: Path) -> None:
    """How a session ended may have reached the disk alone, or, from another VM, the remote alone."""
    remote = MemoryRemote()
    for one, on_disk in (("aaaaaa", True), ("bbbbbb", False)):
        before, after = record(one), record(one).end("exited", 2.0)
        remote.put(f"sessions/{before.file_name}", BytesSource((before if on_disk else after).to_bytes()))
        (after if on_disk else before).save(tmp_path)
    assert [one.ended for one in earlier_sessions(tmp_path, remote, but="cccccc")] == ["exited", "exited"]


class SlowRemote(MemoryRemote):
    """Each answer takes a while."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds = clock, seconds

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._clock.advance(self._seconds)
        super().get(name, sink, offset)


@pytest.mark.parametrize(("seconds", "count"), [(0.001, 20), (0.4, 4), (60.0, 1)])
def test_a_start_does_not_wait_for_history(tmp_path: Path, seconds: float, count: int) -> None:
    """Of a hundred sessions the newest are read, and of these no more than a slow remote gives in a moment."""
    clock = ManualClock()
    remote = SlowRemote(clock, seconds)
    records = [replace(record(f"{n:06}"), started=60.0 * n, heartbeat=60.0 * n, number=n) for n in range(1, 101)]
    for one in records:
        remote.put(f"sessions/{one.file_name}", BytesSource(one.to_bytes()))
    remote.put("sessions/lease.json", BytesSource(records[-1].to_bytes()))
    found = earlier_sessions(tmp_path, remote, but="000100", clock=clock)
    assert [one.number for one in found] == list(range(99, 99 - count, -1))
    assert next_number(found) == 100


def test_a_first_start_is_no_restart_and_the_next_is_one(tmp_path: Path) -> None:
    """With a remote, where the session has written its name before it looks."""
    remote = MemoryRemote()
    for number in range(3):
        run = colab_resume.setup("digits", remote=remote, store=tmp_path / f"vm-{number}")
        assert run.status().restarts == number
        run.state(n=0)
        for _ in run.steps(number + 1):
            pass
        run.finish()
