"""Who worked on a run: the id of a session, and the record it leaves beside the checkpoints.

A record is immutable; each sign of life makes a new one, which replaces the file as a whole. It is read from a folder
that others can write to, so reading is strict and executes nothing.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
import secrets
import socket
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeGuard, get_args

from ..durable import as_store_error, make_folder, write_durably
from ..errors import DamagedCheckpoint, UsageError

__all__ = [
    "Ending",
    "SessionRecord",
    "begin_session",
    "is_session_id",
    "new_session_id",
    "read_boot_id",
    "started_by_name",
]

Ending = Literal["clean", "interrupted", "failed"]

_ALPHABET = string.ascii_lowercase + string.digits
_LARGEST = 64 * 1024
_YEAR_10000 = 253402300800
_STAMP = "%Y%m%dT%H%M%SZ"


def new_session_id(choose: Callable[[str], str] = secrets.choice) -> str:
    """Six characters of [a-z0-9]; from the system's randomness, because the training's must not be touched."""
    return "".join(choose(_ALPHABET) for _ in range(6))


def is_session_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch("[a-z0-9]{6}", value) is not None


def read_boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str | None:
    """Another one after each start of the machine; None where the system has none."""
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """One process that worked on a run; `ended` is None while it lives, and for ever if it went silent."""

    id: str
    host: str
    pid: int
    boot_id: str | None
    started: float
    heartbeat: float
    step: int
    ended: Ending | None = None
    restored: str | None = None
    lease: int = 0
    """The number of its right to write; a session with a greater one has taken over."""
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        for name, good in self._checks().items():
            if not good:
                what = f"{name} of a session record cannot be {reprlib.repr(getattr(self, name))}"
                raise UsageError(what, hint="begin_session() fills in what is known about this process")

    def _checks(self) -> dict[str, bool]:
        return {
            "id": is_session_id(self.id),
            "host": _is_text(self.host),
            "pid": _is_count(self.pid),
            "boot_id": self.boot_id is None or _is_text(self.boot_id),
            "started": _is_time(self.started),
            "heartbeat": _is_time(self.heartbeat) and _is_time(self.started) and self.heartbeat >= self.started,
            "step": _is_count(self.step),
            "ended": self.ended is None or self.ended in get_args(Ending),
            "lease": _is_count(self.lease),
            "restored": self.restored is None or _is_text(self.restored),
            "versions": isinstance(self.versions, Mapping)
            and all(_is_text(name) and _is_text(version) for name, version in self.versions.items()),
        }

    @property
    def file_name(self) -> str:
        """Sorts by time: `20261120T140211Z-k3f9a2.json`."""
        return f"{datetime.fromtimestamp(self.started, UTC):{_STAMP}}-{self.id}.json"

    def beat(self, now: float, step: int) -> SessionRecord:
        """A sign of life; whoever gives one has not ended, even if the user had interrupted it before."""
        return replace(self, heartbeat=max(self.heartbeat, now), step=step, ended=None)

    def end(self, how: Ending, now: float, *, error: str = "") -> SessionRecord:  # noqa: ARG002
        return replace(self, heartbeat=max(self.heartbeat, now), ended=how)

    def save(self, folder: Path) -> None:
        """Into `folder`, which is made if need be, in place of what this session left there before."""
        content = self.to_bytes()
        with as_store_error(folder):
            make_folder(folder)
        write_durably(folder / self.file_name, lambda sink: _write(content, sink))

    def to_bytes(self) -> bytes:
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(content | {"versions": dict(self.versions)}, indent=1, allow_nan=False).encode("ascii")

    @classmethod
    def from_bytes(cls, content: bytes) -> SessionRecord:
        """Strict: whatever `to_bytes` could not have made is a `DamagedCheckpoint`."""
        try:
            return cls(**_json_object(content))
        except (ValueError, TypeError, RecursionError) as error:
            reason = error.what if isinstance(error, UsageError) else str(error)
            raise DamagedCheckpoint(
                f"a session record cannot be read: {reason}",
                hint="it is only history; the checkpoints do not depend on it, and it can be deleted",
            ) from error


def started_by_name(file_name: str) -> float:
    """When a session began, by the name of its record; infinitely late if the name is another."""
    try:
        return datetime.strptime(file_name[:16], _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return math.inf


def begin_session(
    *, session: str, now: float, step: int, restored: str | None, versions: Mapping[str, str]
) -> SessionRecord:
    """The first record of this process, which goes on from the checkpoint `restored` at `step`."""
    return SessionRecord(
        id=session,
        host=socket.gethostname(),
        pid=os.getpid(),
        boot_id=read_boot_id(),
        started=now,
        heartbeat=now,
        step=step,
        restored=restored,
        versions=versions,
    )


def _write(content: bytes, sink: BinaryIO) -> None:
    sink.write(content)


def _json_object(content: bytes) -> dict[str, Any]:
    if len(content) > _LARGEST:
        raise ValueError(f"{len(content)} bytes are too many")
    members = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    expected = {field.name for field in fields(SessionRecord)}
    if not isinstance(members, dict) or members.keys() != expected:
        raise ValueError(f"it is not an object with the members {', '.join(sorted(expected))}")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 200
