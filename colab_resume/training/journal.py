"""The journal: one session's metrics in one append-only file, `journal/<session>.jsonl`.

The first line says which bytes of which earlier journal this session goes on from; every later line is one record.
A checkpoint keeps a `Mark`, so records made after it belong to no checkpoint and the history has no doubled points.

- Floats come back bit by bit: `repr` for finite ones, the eight bytes in hex for NaN and infinities.
- `log` hands the line to the operating system and does not wait for the disk; `sync` does, in the writer thread.
- A disk that refuses never stops the loop: `error` keeps the reason, records wait in memory (nothing is dropped, so
  memory grows by one line per record), and the next `sync` tries again.
- An interrupt in the middle of `log` leaves the record either in the journal or not; never a torn line before others.
- Reading never raises into training: what can be read is used, and `History.flaws` says what could not.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..checkpoints.names import whole_journals
from ..durable import as_store_error, fsync_folder, make_folder, store_error
from ..errors import DamagedCheckpoint, UsageError
from ..sessions.identity import is_session_id
from .records import Mark, Record, Scalar, as_line, checked_record, json_object, parse_record

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["History", "Journal", "Mark", "Record", "Scalar", "history", "journal_parent", "journals_in", "lost_records"]


@dataclass(frozen=True)
class History:
    """The records that belong together, oldest first, and what of them could not be read."""

    records: tuple[Record, ...]
    flaws: tuple[str, ...] = ()


class _State(NamedTuple):
    """What is written, and the lines that wait. Replaced as a whole, in one assignment, so that an interrupt leaves the
    old one or the new one; a replaced one is never changed, so that a reader needs no lock."""

    offset: int
    digest: _Hash
    lines: list[bytes]


class Journal:
    """The journal that this session writes into `folder`; `log` and `mark` may be called from any thread."""

    def __init__(self, folder: Path, session: str, parent: Mark | None) -> None:
        if not is_session_id(session):
            raise UsageError(f"{session!r} is not a session id", hint="take one from new_session_id()")
        self.session = session
        self.path = folder / f"{session}.jsonl"
        self.error: OSError | None = None
        self._lock = threading.Lock()
        self._disk = threading.Lock()
        self._named = False
        header = {"session": session, "parent": parent.to_json() if parent else None}
        self._state = _State(0, hashlib.sha256(), [as_line(header)])
        self._descriptor: int | None = self._create()

    def _create(self) -> int:
        if self.path.exists():
            raise UsageError(f"session {self.session} has a journal already", hint="use a new session id")
        with as_store_error(self.path):
            make_folder(self.path.parent)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                self._append(descriptor)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def log(self, step: int, values: Mapping[str, Scalar], *, epoch: int | None = None) -> Record:
        """Append one record, and return it as `history` will read it."""
        record = checked_record(step, values, epoch, self.session)
        line = record.line()
        with self._lock:
            if self._descriptor is None:
                raise UsageError(f"the journal of session {self.session} is closed", hint="log before the run finishes")
            self._state.lines.append(line)
            if self.error is None:
                try:
                    self._append(self._descriptor)
                except OSError as error:
                    self.error = error
        return record

    def mark(self) -> Mark:
        """All that was logged until now; touches no disk and waits for none."""
        offset, digest, lines = self._state
        waiting = b"".join(lines)
        digest = digest.copy()
        digest.update(waiting)
        return Mark(self.session, offset + len(waiting), digest.hexdigest())

    def content(self) -> bytes:
        """The journal until now, with what still waits for the disk."""
        offset, _, lines = self._state
        waiting = b"".join(lines)
        return self.path.read_bytes()[:offset] + waiting

    def sync(self) -> None:
        """All that was logged until now is on the disk when this returns; raises `StoreError` if the disk refuses."""
        with self._disk:
            if self._descriptor is None:
                return
            try:
                with self._lock:
                    self._append(self._descriptor)
                    self.error = None
                os.fsync(self._descriptor)
                self._sync_name()
            except OSError as error:
                self.error = error
                raise store_error(self.path, error) from error

    def close(self) -> None:
        """Sync, and take no more records; the second call does nothing."""
        try:
            self.sync()
        finally:
            with self._disk, self._lock:
                descriptor, self._descriptor = self._descriptor, None
                if descriptor is not None:
                    os.close(descriptor)

    def _append(self, descriptor: int) -> None:
        """Write what waits, at the recorded offset and not at the end of the file: if this is interrupted or the disk
        takes half of it, the next call puts the same bytes in the same place."""
        offset, digest, lines = self._state
        waiting = b"".join(lines)
        done = 0
        while done < len(waiting):
            done += os.pwrite(descriptor, memoryview(waiting)[done:], offset + done)
        digest = digest.copy()
        digest.update(waiting)
        self._state = _State(offset + done, digest, [])

    def _sync_name(self) -> None:
        if not self._named:
            fsync_folder(self.path.parent)
            self._named = True


def history(folder: Path, mark: Mark | None, *, live: Journal | None = None) -> History:
    """The records up to `mark`: its session's, after those of the sessions it goes on from; then all of `live`'s."""
    parts: list[list[Record]] = []
    flaws: list[str] = []
    seen: set[str] = set()
    while mark is not None and mark.session not in seen:
        seen.add(mark.session)
        content = _marked_content(folder, mark, flaws)
        parent, records = _read(content, mark.session, flaws)
        parts.append(records)
        mark = parent
    if mark is not None:
        flaws.append(f"{mark.session}.jsonl goes on from itself: older records are left out")
    parts.reverse()
    if live is not None:
        parts.append(_live_records(live, flaws))
    return History(tuple(record for part in parts for record in part), tuple(flaws))


def journal_parent(path: Path) -> Mark | None:
    """What the journal at `path` goes on from; None if from nothing, or if that cannot be read."""
    try:
        with path.open("rb") as stream:
            return _parent(stream.readline().removesuffix(b"\n"), path.stem[:6])
    except (OSError, ValueError, DamagedCheckpoint):
        return None


def journals_in(folder: Path) -> dict[str, Path]:
    """The longest whole journal of each session in a run's folder, on the VM's disk or on a remote."""
    files = [(path.name, path.stat().st_size) for path in folder.glob("*.jsonl")]
    return {session: folder / name for session, (_, name) in whole_journals(files).items()}


def _journal_of(folder: Path, session: str) -> Path:
    return journals_in(folder).get(session, folder / f"{session}.jsonl")


def lost_records(folder: Path, mark: Mark) -> tuple[Record, ...]:
    """What `mark`'s session logged after it, as far as that arrived: nothing else depends on these lines."""
    try:
        content = _journal_of(folder, mark.session).read_bytes()
    except OSError:
        return ()
    return tuple(_records(content[mark.bytes :].split(b"\n")[:-1], mark.session)[0])


def _live_records(live: Journal, flaws: list[str]) -> list[Record]:
    try:
        content = live.content()
    except OSError as error:
        flaws.append(f"{live.path.name} cannot be read ({error.strerror}): this session's records are missing")
        return []
    return _read(content, live.session, flaws)[1]


def _marked_content(folder: Path, mark: Mark, flaws: list[str]) -> bytes:
    name = f"{mark.session}.jsonl"
    try:
        content = _journal_of(folder, mark.session).read_bytes()[: mark.bytes]
    except OSError as error:
        flaws.append(f"{name} cannot be read ({error.strerror}): its records and all before it are missing")
        return b""
    if len(content) < mark.bytes:
        flaws.append(f"{name} ends after {len(content)} of {mark.bytes} bytes")
    elif hashlib.sha256(content).hexdigest() != mark.sha256:
        flaws.append(f"{name} is not what was written: its sha256 is another")
    return content


def _read(content: bytes, session: str, flaws: list[str]) -> tuple[Mark | None, list[Record]]:
    """The parent that the first line names, and the records in the others; the part after the last newline is torn."""
    if not content:
        return None, []
    first, *lines = content.removesuffix(b"\n").split(b"\n")
    parent = None
    try:
        parent = _parent(first, session)
    except (ValueError, DamagedCheckpoint):
        flaws.append(f"{session}.jsonl has a damaged first line: all records before that session are missing")
    records, unreadable = _records(lines, session)
    if unreadable:
        flaws.append(f"{session}.jsonl: {unreadable} of {len(lines)} records cannot be read")
    return parent, records


def _parent(line: bytes, session: str) -> Mark | None:
    header = json_object(line)
    if header.keys() != {"session", "parent"} or header["session"] != session:
        raise ValueError("not the first line of this session's journal")
    return None if header["parent"] is None else Mark.from_json(header["parent"])


def _records(lines: list[bytes], session: str) -> tuple[list[Record], int]:
    """The readable ones, and how many are not."""
    records: list[Record] = []
    unreadable = 0
    for line in lines:
        try:
            records.append(parse_record(line, session))
        except ValueError:
            unreadable += 1
    return records, unreadable
