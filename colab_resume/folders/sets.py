"""A set: all files of a folder as they were at one moment. It exists when, and only when, its own document does.

The document may come from a place that others can write to: whatever would lead out of the folder, or stands for two
things at once, is refused when it is read. It holds no content; that lies beside it under its digest and size, once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..checkpoints.damage import damaged
from ..checkpoints.digest import digest_of, is_digest
from ..checkpoints.sealed import sealed, unsealed
from ..errors import DamagedCheckpoint, EncodingError
from .kinds import is_log

__all__ = ["BLOB", "File", "FileSet", "SET", "SET_LIMIT", "next_number"]

SET_LIMIT = 64 << 20
"""The bytes of the longest document."""

SET = re.compile(r"([0-9]{10})-([a-z0-9]{6})")
"""A set's name: its number and the session that has made it. Match it whole."""

BLOB = re.compile(r"[0-9a-f]{32}-(0|[1-9][0-9]{0,18})")
"""The name of a content: digest and size. Match it whole."""

_OF_NOTHING = digest_of(b"")
_MOST_BYTES = 2**63 - 1
_LONGEST_NAME = 255
_FILE = ("path", "size", "digest", "mode", "mtime_ns")


@dataclass(frozen=True)
class File:
    """One file: where it lies below the folder, its content, its permissions, and when it was written."""

    path: str
    size: int
    digest: str
    mode: int
    mtime_ns: int

    def __post_init__(self) -> None:
        _check_path(self.path)
        _require(_is_count(self.size), "a size is not a count of bytes")
        _require(is_digest(self.digest), f"{self.digest!r:.60} is not a digest")
        _require(self.size > 0 or self.digest == _OF_NOTHING, "what is empty has another digest")
        _require(type(self.mode) is int and 0 <= self.mode <= 0o777, "a mode is no set of permissions")
        _require(_is_count(self.mtime_ns), "a time is not a count of nanoseconds")

    @property
    def blob(self) -> str:
        """What its content is called."""
        return f"{self.digest}-{self.size}"


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """What a folder held. `folders`: those below it by path, with the time of their last change."""

    number: int
    session: str
    created: float
    files: tuple[File, ...]
    folders: Mapping[str, int]

    def __post_init__(self) -> None:
        _require(type(self.number) is int and self.number >= 0, "its number is not a count")
        _require(isinstance(self.session, str) and SET.fullmatch(self.name) is not None, "its name is no set's")
        _require(type(self.created) in (int, float) and 0 <= self.created < math.inf, "its time is not a time")
        for path, mtime_ns in self.folders.items():
            _check_path(path)
            _require(_is_count(mtime_ns), "a time is not a count of nanoseconds")
        self._check_tree()

    def _check_tree(self) -> None:
        paths = [file.path for file in self.files]
        taken = set(paths)
        _require(len(taken) == len(paths), "one path stands for two files")
        for path in (*paths, *self.folders):
            above = path.split("/")[:-1]
            inside = {"/".join(above[:depth]) for depth in range(1, len(above) + 1)}
            _require(taken.isdisjoint(inside), "a file is a folder at the same time")
        _require(taken.isdisjoint(self.folders), "a file is a folder at the same time")

    @property
    def name(self) -> str:
        """The name of its document, without the ending."""
        return f"{self.number:010d}-{self.session}"

    @property
    def rank(self) -> tuple[int, float, str]:
        """Newer ones rank higher; no clock decides, but between two sessions that did not know of each other."""
        return self.number, self.created, self.session

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def contents(self) -> dict[str, File]:
        """One file for each content that is not empty, by the content's name."""
        return {file.blob: file for file in self.files if file.size}

    @cached_property
    def solid(self) -> dict[str, str]:
        """The content of each file that is no log, by path: what tells two sets apart."""
        return {file.path: file.blob for file in self.files if not is_log(file.path.rpartition("/")[2])}

    def is_like(self, other: FileSet) -> bool:
        """Whether the other one has the same files with the same contents."""
        return {file.path: file.blob for file in self.files} == {file.path: file.blob for file in other.files}

    def to_bytes(self) -> bytes:
        """The bytes that `from_bytes` reads."""
        members = {"number": self.number, "session": self.session, "created": self.created}
        data = sealed({**members, "folders": dict(self.folders), "files": [vars(file) for file in self.files]})
        if len(data) > SET_LIMIT:
            hint = "Track a folder with fewer files, or put small ones into an archive."
            raise EncodingError(f"A list of {len(self.files)} files is too long to be one set.", hint=hint)
        return data

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> FileSet:
        """The set of this name; `DamagedCheckpoint` if it is none, `CheckpointError` if it is of a later format."""
        try:
            _require(len(data) <= SET_LIMIT, f"it has {len(data)} bytes")
            found = cls._from_document(unsealed(data, f"Set {name}"))
            _require(found.name == name, f"it is that of {found.name}")
        except (ValueError, TypeError) as error:
            raise _damaged(name, error) from error
        return found

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> FileSet:
        files, folders = _of(document, "files", list), _of(document, "folders", dict)
        return cls(
            number=_of(document, "number", int),
            session=_of(document, "session", str),
            created=document.get("created", -1),
            files=tuple(_file(one) for one in files),
            folders=folders,
        )


def next_number(names: Iterable[str]) -> int:
    """One more than the highest number in these names, whether their sets can be read or not."""
    numbers = (int(found[1]) for name in names if (found := SET.fullmatch(name)) is not None)
    return 1 + max(numbers, default=0)


def _file(value: Any) -> File:
    if not isinstance(value, dict) or any(member not in value for member in _FILE):
        raise ValueError("a file lacks what a file has")
    return File(**{member: value[member] for member in _FILE})


def _of(document: dict[str, Any], member: str, kind: type) -> Any:
    value = document.get(member)
    if type(value) is not kind:
        raise ValueError(f"it has no {member} of the right kind")
    return value


def _check_path(path: object) -> None:
    """Plain segments only, so that no path leads out of the folder that it is put into."""
    _require(isinstance(path, str), "a path is not a text")
    for part in str(path).split("/"):
        _require(part not in ("", ".", "..") and "\0" not in part, f"{path!r:.90} is not the path of a file inside")
        _require(len(part.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME, f"{path!r:.90} is too long")


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MOST_BYTES


def _damaged(name: str, error: Exception) -> DamagedCheckpoint:
    return damaged(f"The list of set {name!r:.60}", str(error))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
