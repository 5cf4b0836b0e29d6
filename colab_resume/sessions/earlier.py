"""What is known of the sessions before this one: their records, on this disk and on the remote."""

from __future__ import annotations

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

    A record that is gone or damaged is no reason to stop.
    """
    found: dict[str, bytes] = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    entries = remote.list("sessions") if remote is not None else ()
    for entry in sorted(entries, key=lambda entry: entry.name)[-_RECENT:]:
        if remote is not None:
            with suppress(RemoteRefused):
                sink = BytesIO()
                remote.get(entry.name, sink)
                found[entry.name.rpartition("/")[2]] = sink.getvalue()
    records = []
    for data in found.values():
        with suppress(DamagedCheckpoint):
            records.append(SessionRecord.from_bytes(data))
    return [record for record in records if record.id != but]
