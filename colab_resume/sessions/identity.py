"""Who worked on a run: the id of a session, and the record it leaves beside the checkpoints.

A record is immutable; each sign of life makes a new one, which replaces the file as a whole. It is read from a folder
that others can write to, so reading is strict and executes nothing.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeGuard, get_args

from ..durable import as_store_error, make_folder, write_durably
from ..errors import DamagedCheckpoint, UsageError
from .machine import LONGEST_TEXT, Machine, look, one_line

__all__ = [
    "Ending",
    "SessionRecord",
    "begin_session",
    "is_session_id",
    "new_session_id",
    "started_by_name",
]

Ending = Literal["clean", "interrupted", "failed", "exited"]
"""By `run.finish()`, by the user's interrupt, by an exception; "exited": its process ended in peace without them."""

_ALPHABET = string.ascii_lowercase + string.digits
_LARGEST = 64 * 1024
_YEAR_10000 = 253402300800
_STAMP = "%Y%m%dT%H%M%SZ"
_LATER = frozenset(
    {
        "began_by",
        "endpoint",
        "error",
        "gpu",
        "kernel_started",
        "notebook",
        "number",
        "oom_kills",
        "place",
        "saves",
        "saving_seconds",
    }
)
"""Members that records did not have from the beginning; one that lacks them is none the worse."""


def new_session_id(choose: Callable[[str], str] = secrets.choice) -> str:
    """Six characters of [a-z0-9]; from the system's randomness, because the training's must not be touched."""
    return "".join(choose(_ALPHABET) for _ in range(6))


def is_session_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and re.fullmatch("[a-z0-9]{6}", value) is not None


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
    number: int = 0
    """Which session of the run it is, counted from 1; 0 as long as it does not know."""
    kernel_started: float | None = None
    """As for `Machine`; so are the next five. On one machine it tells a process from another with the same number."""
    oom_kills: int | None = None
    gpu: str = ""
    place: str = ""
    endpoint: str = ""
    notebook: str = ""
    saves: int = 0
    saving_seconds: float = 0.0
    """How long its loop stood still, or was slower, for saving."""
    error: str = ""
    """Why it failed, in one line."""
    began_by: str = ""
    """The kind of event that began it, as `what_happened` said it then."""

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
            "number": _is_count(self.number),
            "kernel_started": self.kernel_started is None or _is_time(self.kernel_started),
            "oom_kills": self.oom_kills is None or _is_count(self.oom_kills),
            "saves": _is_count(self.saves),
            "saving_seconds": _is_time(self.saving_seconds),
            **{
                name: _is_words(getattr(self, name))
                for name in ("gpu", "place", "endpoint", "notebook", "error", "began_by")
            },
        }

    @property
    def first_step(self) -> int | None:
        """The step it went on from, with which a checkpoint's name begins (`0000001240-k3f9a2`).

        None if that name is odd, and for a session that ended before it had looked for a checkpoint.
        """
        if self.restored is None:
            return 0 if self.number or self.step else None
        digits = re.match(r"[0-9]{1,18}(?=-)", self.restored)
        return int(digits.group()) if digits else None

    @property
    def file_name(self) -> str:
        """Sorts by time: `20261120T140211Z-k3f9a2.json`."""
        return f"{datetime.fromtimestamp(self.started, UTC):{_STAMP}}-{self.id}.json"

    def beat(
        self,
        now: float,
        step: int,
        *,
        saves: int | None = None,
        saving_seconds: float | None = None,
        oom_kills: int | None = None,
    ) -> SessionRecord:
        """A sign of life; whoever gives one has not ended, even if the user had interrupted it before.

        What is not told anew stays as it was.
        """
        return replace(
            self,
            heartbeat=max(self.heartbeat, now),
            step=step,
            saves=self.saves if saves is None else saves,
            saving_seconds=self.saving_seconds if saving_seconds is None else saving_seconds,
            oom_kills=self.oom_kills if oom_kills is None else oom_kills,
            ended=None,
            error="",
        )

    def end(self, how: Ending, now: float, *, error: str = "") -> SessionRecord:
        """`error`: why it failed; of a longer text the record holds one line."""
        return replace(self, heartbeat=max(self.heartbeat, now), ended=how, error=one_line(error))

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
    *,
    session: str,
    now: float,
    step: int,
    restored: str | None,
    versions: Mapping[str, str],
    machine: Machine | None = None,
) -> SessionRecord:
    """The first record of this process, which goes on from the checkpoint `restored` at `step`."""
    here = look() if machine is None else machine
    return SessionRecord(
        id=session,
        host=here.host,
        pid=here.pid,
        boot_id=here.boot_id,
        started=now,
        heartbeat=now,
        step=step,
        restored=restored,
        versions=versions,
        kernel_started=here.kernel_started,
        oom_kills=here.oom_kills,
        gpu=here.gpu,
        place=here.place,
        endpoint=here.endpoint,
        notebook=here.notebook,
    )


def _write(content: bytes, sink: BinaryIO) -> None:
    sink.write(content)


def _json_object(content: bytes) -> dict[str, Any]:
    if len(content) > _LARGEST:
        raise ValueError(f"{len(content)} bytes are too many")
    members = json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    known = {field.name for field in fields(SessionRecord)}
    if not isinstance(members, dict) or not known - _LATER <= members.keys() <= known:
        raise ValueError(f"it is not an object with the members {', '.join(sorted(known))}")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _YEAR_10000


def _is_text(value: object) -> bool:
    return _is_words(value) and value != ""


def _is_words(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= LONGEST_TEXT
