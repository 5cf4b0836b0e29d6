"""The thread that mirrors: it is waited for, it fails without harm, and it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkpoints.drafts import SESSION, commit
from checkpoints.test_replica import record

from colab_resume.checkpoints.replica import Replica
from colab_resume.checkpoints.retention import Keep
from colab_resume.checkpoints.store import Store
from colab_resume.errors import NotSafe, RemoteRefused, RemoteUnavailable
from colab_resume.mirror import Mirror, NoMirror
from colab_resume.remotes import Remote
from colab_resume.testing import FaultyRemote, ManualClock, MemoryRemote


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path, session=SESSION)
    yield opened
    opened.close()


def _mirror(store: Store, remote: Remote) -> Mirror:
    clock = ManualClock()
    return Mirror(
        Replica(store, remote, keep=Keep(), best=lambda: None, record=lambda: record(heartbeat=clock()), clock=clock)
    )


def test_flush_returns_when_the_newest_is_there(store: Store) -> None:
    """What was in the store when it was called is safe when it returns."""
    mirror = _mirror(store, MemoryRemote())
    for step in (1, 2, 3):
        made = commit(store, step)
        mirror.flush(60)
        assert mirror.safe == made
    assert mirror.close(60)


def test_a_refusal_is_told_at_once_to_who_waits_and_shown_to_all(store: Store) -> None:
    """No waiting mends a full Drive."""
    refusal = RemoteRefused("Drive is full", hint="free some space")
    mirror = _mirror(store, FaultyRemote(MemoryRemote(), lambda number, verb, name: refusal))
    with pytest.raises(NotSafe, match="Drive is full") as caught:
        mirror.flush(None)
    assert caught.value.hint == "free some space"
    assert "the remote is behind: Drive is full" in mirror.problem
    mirror.close(60)


def test_a_failure_that_passes_is_waited_out(store: Store) -> None:
    """The next round looks at the remote afresh and sends what is missing."""
    away = RemoteUnavailable("the line is cut", hint="wait")
    mirror = _mirror(store, FaultyRemote(MemoryRemote(), {1: away, 5: away}))
    made = commit(store, 1)
    mirror.flush(60)
    assert (mirror.safe, mirror.problem) == (made, "")
    mirror.close(60)


def test_who_waits_mends_what_breaks_meanwhile(store: Store) -> None:
    """A mount that dies while somebody waits is nobody else's affair."""
    away = RemoteUnavailable("the mount has died", hint="mount it")
    mended: list[bool] = []
    remote = FaultyRemote(MemoryRemote(), lambda number, verb, name: None if mended else away)
    mirror = _mirror(store, remote)
    made = commit(store, 1)
    mirror.flush(60, mend=lambda: mended.append(True))
    assert (mirror.safe, mended) == (made, [True])
    mirror.close(60)


def test_who_cannot_wait_longer_is_told_so(store: Store) -> None:
    """With a time limit, a remote that never answers well ends in `NotSafe`."""
    away = RemoteUnavailable("the line is cut", hint="wait")
    mirror = _mirror(store, FaultyRemote(MemoryRemote(), lambda number, verb, name: away))
    commit(store, 1)
    with pytest.raises(NotSafe, match="has not confirmed the newest checkpoint"):
        mirror.flush(0.05)
    mirror.close(60)


def test_an_error_nobody_thought_of_does_not_end_the_thread(store: Store) -> None:
    """It becomes a problem like any other, and the next round works."""

    def fault(number: int, verb: str, name: str) -> Exception | None:
        return ZeroDivisionError("a bug in a back end") if number == 1 else None

    mirror = _mirror(store, FaultyRemote(MemoryRemote(), fault))
    made = commit(store, 1)
    mirror.flush(60)
    assert mirror.safe == made
    mirror.close(60)


def test_closing_ends_the_thread_and_again_is_nothing(store: Store) -> None:
    """One owner starts it, one closes it."""
    mirror = _mirror(store, MemoryRemote())
    assert mirror.close(60)
    assert mirror.close(60)
    assert not [thread for thread in threading.enumerate() if thread.name == "colab_resume-mirror"]


def test_without_a_remote_there_is_nothing_to_wait_for() -> None:
    """The same members, no thread, nothing safe."""
    mirror = NoMirror()
    mirror.wake()
    mirror.flush(None)
    assert mirror.close(None)
    assert (mirror.safe, mirror.problem) == (None, "")
