"""What is known of the sessions before this one: their records, on this disk and on the remote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from ..errors import DamagedCheckpoint, RemoteRefused
from ..remotes import Remote
from .identity import SessionRecord

__all__ = ["earlier_sessions"]

_RECENT = 20


def earlier_sessions(folder: Path, remote: Remote | None, *, but: str) -> list[SessionRecord]:
    """All in `folder` and the newest on the remote, but for the session of this id, which is there already.

    Of two records of the same session the later one counts; one that is gone or damaged is no reason to stop.
    """
    found: dict[str, SessionRecord] = {}
    for content in _contents(folder, remote):
        with suppress(DamagedCheckpoint):
            record = SessionRecord.from_bytes(content)
            if record.id not in found or _age(record) > _age(found[record.id]):
                found[record.id] = record
    return [record for record in found.values() if record.id != but]


def _contents(folder: Path, remote: Remote | None) -> Iterator[bytes]:
    yield from (path.read_bytes() for path in folder.glob("*.json"))
    entries = remote.list("sessions") if remote is not None else ()
    for entry in sorted(entries, key=lambda entry: entry.name)[-_RECENT:]:
        if remote is not None:
            sink = BytesIO()
            with suppress(RemoteRefused):
                remote.get(entry.name, sink)
                yield sink.getvalue()


def _age(record: SessionRecord) -> tuple[float, bool, int]:
    """What a session says last may not have reached the remote any more."""
    return record.heartbeat, record.ended is not None, record.lease
