"""The sessions before this one, as the disk and the remote tell of them."""

from __future__ import annotations

from pathlib import Path

import colab_resume
from colab_resume.remotes import BytesSource
from colab_resume.sessions.earlier import earlier_sessions
from colab_resume.sessions.identity import SessionRecord
from colab_resume.testing import MemoryRemote


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
