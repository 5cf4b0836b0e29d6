"""What the stand-in is told to do: when uploads happen, which attributes answer, what fails. Plain data, as JSON."""

from __future__ import annotations

import dataclasses
import errno
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

__all__ = ["ATTRIBUTES", "OPERATIONS", "Conditions"]

ATTRIBUTES = frozenset({"id", "md5", "uncommitted"})
"""The names behind `user.drive.`."""

CHANGING = frozenset({"chmod", "create", "mkdir", "rename", "rmdir", "truncate", "unlink", "utimens", "write"})
OPERATIONS = CHANGING | {"flush", "fsync", "getattr", "getxattr", "open", "read", "readdir", "statfs"}
"""What `eio` and `latency` may name: operations as the file system sees them."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The weather on a mounted Drive; all of it can change while the mount is in use.

    Uploads: `held` keeps them back until the test lets go, `delay` is the seconds after the last close, `rate` the
    bytes a second, `lost` the names (below MyDrive) whose uploads never arrive. `offline` also keeps back what
    otherwise reaches Drive at once and overtakes every upload: new folders, renames, deletions.
    `gap`: what a rename replaces goes to the trash at once; if False, only when the new file has arrived.
    Attributes: `answers` are the known ones, the others fail with `unanswered`.
    Faults: `eio` names operations, `latency` gives seconds to some, `erofs` refuses every change.
    Room: `local_space` is the bytes that the VM's disk holds beside what has been uploaded, `drive_space` the bytes
    of the whole account with its trash, `most_entries` how much a folder may hold and still be listed.
    """

    held: bool = False
    offline: bool = False
    delay: float = 0.0
    rate: float | None = None
    lost: Collection[str] = frozenset()
    gap: bool = True
    answers: Collection[str] = ATTRIBUTES
    unanswered: int = errno.ENODATA
    eio: Collection[str] = frozenset()
    erofs: bool = False
    latency: Mapping[str, float] = field(default_factory=dict)
    local_space: int | None = None
    drive_space: int | None = None
    most_entries: int | None = None

    def __post_init__(self) -> None:
        for name in ("lost", "answers", "eio"):
            if isinstance(value := getattr(self, name), str):
                raise TypeError(f"{name}={value!r}: it is a set of names")
            object.__setattr__(self, name, frozenset(value))
        for given, known in ((self.answers, ATTRIBUTES), (self.eio, OPERATIONS), (self.latency, OPERATIONS)):
            if unknown := sorted(set(given) - known):
                raise ValueError(f"{unknown}: known are {sorted(known)}")
        if self.unanswered not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise ValueError("an attribute that is not there is answered with ENODATA or EOPNOTSUPP")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), default=sorted)

    @classmethod
    def from_json(cls, text: str) -> Conditions:
        return cls(**json.loads(text))
