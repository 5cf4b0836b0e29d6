"""What is known of the sessions before this one: their records, on this disk and on the remote."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from ..errors import DamagedCheckpoint, RemoteRefused
from ..remotes import Remote
from .identity import SessionRecord, started_by_name

__all__ = ["earlier_sessions"]

_RECENT = 20
_SECONDS = 1.5
"""So long a start may wait for what is only history."""


def earlier_sessions(
    folder: Path, remote: Remote | None, *, but: str, clock: Callable[[], float] = time.monotonic
) -> list[SessionRecord]:
    """All in `folder` and the newest on the remote, but for the session of this id, which is there already.

    The remote is asked for the newest first, and for no more of them than it gives in a moment. Of two records of the
    same session the later one counts; one that is gone or damaged is no reason to stop.
    """
    found: dict[str, SessionRecord] = {}
    for content in _contents(folder, remote, but, clock):
        with suppress(DamagedCheckpoint):
            record = SessionRecord.from_bytes(content)
            if record.id not in found or _age(record) > _age(found[record.id]):
                found[record.id] = record
    return [record for record in found.values() if record.id != but]


def _contents(folder: Path, remote: Remote | None, but: str, clock: Callable[[], float]) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.glob("*.json"))
    if remote is None:
        return
    names = {entry.name.rpartition("/")[2]: entry.name for entry in remote.list("sessions")}
    records = [name for name in names if started_by_name(name) < math.inf and not name.endswith(f"-{but}.json")]
    end = clock() + _SECONDS
    for name in sorted(records, reverse=True)[:_RECENT]:
        sink = BytesIO()
        with suppress(RemoteRefused):
            remote.get(names[name], sink)
            yield sink.getvalue()
        if clock() > end:
            break


def _age(record: SessionRecord) -> tuple[float, bool, int]:
    """What a session says last may not have reached the remote any more."""
    return record.heartbeat, record.ended is not None, record.lease
