"""Upload sessions that outlive a failure, and the process if there is a folder for them: on the VM's own disk.

Who has a session's address can write to the upload without any token, so the folder and the files are for their owner
alone, and the address is in no message and no repr. A session that cannot be kept costs a new beginning after a restart
of the process, and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .addresses import is_safe

__all__ = ["Session", "Sessions"]

_SUFFIX = ".upload-session"
_LONGEST = 6 * 24 * 3600.0
"""Drive ends a session after a week."""


@dataclass(frozen=True)
class Session:
    """One upload under way; `is_new` tells a new file from new content of an old one."""

    name: str
    size: int
    file_id: str
    parent: str
    is_new: bool
    created: float
    address: str = field(repr=False)


_TYPES = {"name": str, "size": int, "file_id": str, "parent": str, "is_new": bool, "created": float, "address": str}


class Sessions:
    """At most one for each name; `account` tells several remotes in one folder apart."""

    def __init__(self, folder: Path | None, account: str, clock: Callable[[], float]) -> None:
        # Made absolute now: a notebook may change its working directory at any time.
        self._folder = None if folder is None else folder.absolute()
        self._account = account
        self._clock = clock
        self._kept: dict[str, Session] = {}

    def find(self, name: str, size: int) -> Session | None:
        """The session in which just these bytes were being sent."""
        session = self._kept.get(name) or self._read(name)
        if session is None:
            return None
        age = self._clock() - session.created
        if session.name == name and session.size == size and 0 <= age < _LONGEST and is_safe(session.address):
            return session
        self.drop(name)
        return None

    def keep(self, session: Session) -> None:
        self._kept[session.name] = session
        if self._folder is None:
            return
        path = self._path(session.name)
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                json.dump(asdict(session), stream)
            part.replace(path)

    def drop(self, name: str) -> None:
        self._kept.pop(name, None)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._path(name).unlink()

    def _read(self, name: str) -> Session | None:
        if self._folder is None:
            return None
        try:
            kept = json.loads(self._path(name).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or {key: type(value) for key, value in kept.items()} != _TYPES:
            return None
        return Session(**kept)

    def _sweep(self) -> None:
        """Remove what nobody came back for, also parts of files whose writer died."""
        assert self._folder is not None
        for path in self._folder.glob(f"*{_SUFFIX}*"):
            with contextlib.suppress(OSError):
                if self._clock() - path.stat().st_mtime > _LONGEST:
                    path.unlink()

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        key = hashlib.sha256(f"{self._account}\n{name}".encode()).hexdigest()[:32]
        return self._folder / f"{key}{_SUFFIX}"
