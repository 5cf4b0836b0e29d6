"""Where checkpoints survive the VM: the protocol every back end fulfils, and nothing else.

A remote is a flat set of named byte strings. Names are relative POSIX paths such as
`packs/0000001240-k3f9a2-0.safetensors`. The contract (tests/contract_remote.py runs it over every back end):

- after `put` returns, `list` and `get` of any other client see the whole new content or the whole old one;
- `put` on an existing name replaces it; a `put` that raised may have left the old, the new, or a torn content;
- a source that gives more or fewer bytes than its `size` makes `put` raise `RemoteUnavailable`; so does a back end
  that says what it has stored, by size or by md5, if that is not what was sent;
- `get` writes the bytes from `offset` on to `sink`, in order, and calls nothing but its `write`;
  a name that is not there raises `RemoteRefused`, an offset at or behind the end writes nothing;
- `list` names what lies directly inside a folder (`""` is the top), with whole names and true sizes;
- `delete` is for good, not to a trash, and of a name that is not there does nothing;
- a name that `folder.check_name` refuses raises `RemoteRefused` from every verb, and nothing is touched;
- different names may be used from several threads at once;
- `RemoteUnavailable` is passing and worth a retry; `RemoteRefused` is not. Only the back end knows which.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from ..colab.runtime import is_drive
from ..errors import UsageError

__all__ = [
    "BytesSource",
    "DRIVE_FOLDER",
    "Entry",
    "FileSource",
    "Receipt",
    "Remote",
    "Source",
    "Space",
    "folders_of",
    "open_remote",
    "space_of",
]

DRIVE_FOLDER = "colab_resume"
"""The folder on Drive that is meant if none is named."""

# One slash is enough: Path("s3://bucket") has become "s3:/bucket" before it arrives here.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_DRIVE = "drive:"


@dataclass(frozen=True)
class Entry:
    """One stored object: its whole name, its size in bytes, its md5 (hex) where the back end knows it for free."""

    name: str
    size: int
    md5: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What the back end says it stored."""

    name: str
    size: int
    md5: str | None = None


@dataclass(frozen=True)
class Space:
    """What a back end says of its space, in bytes; None where it sets no limit."""

    total: int | None
    free: int | None


class Source(Protocol):
    """Bytes that can be read again from any offset, so that an upload can be resumed or repeated."""

    @property
    def size(self) -> int: ...

    def open(self, offset: int = 0) -> BinaryIO: ...


@dataclass(frozen=True)
class BytesSource:
    """A source in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def md5(self) -> str:
        return hashlib.md5(self.data, usedforsecurity=False).hexdigest()

    def open(self, offset: int = 0) -> BinaryIO:
        return BytesIO(self.data[offset:])


@dataclass(frozen=True)
class FileSource:
    """A source on disk; the file must not change while it is a source."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open(self, offset: int = 0) -> BinaryIO:
        stream = self.path.open("rb")
        stream.seek(offset)
        return stream


class Remote(Protocol):
    """Five members; wrappers (retrying, throttling, faults) have the same five."""

    @property
    def confirms(self) -> bool:
        """Whether `put` returns only after the bytes are stored for good."""
        ...

    def list(self, folder: str) -> Sequence[Entry]:
        """Everything directly inside `folder` (no recursion); an absent folder is empty."""
        ...

    def put(self, name: str, source: Source) -> Receipt:
        """Store the source's bytes under `name`, whatever was there."""
        ...

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        """Write the bytes of `name`, from `offset` to the end, to `sink`."""
        ...

    def delete(self, name: str) -> None:
        """Remove `name` for good; if it is not there, all is well."""
        ...


@runtime_checkable
class _Spacious(Protocol):
    def space(self) -> Space | None: ...


def space_of(remote: Remote) -> Space | None:
    """How much space there is; None where a remote has no `space()`, a member that it may lack."""
    return remote.space() if isinstance(remote, _Spacious) else None


@runtime_checkable
class _Branching(Protocol):
    def folders(self) -> Sequence[str]: ...


def folders_of(remote: Remote) -> Sequence[str]:
    """The names of the folders directly in a remote; none where it has no `folders()`, which it may lack, too."""
    return remote.folders() if isinstance(remote, _Branching) else ()


def open_remote(where: str | Path, *, credentials: str | Path | None = None) -> Remote:
    """The remote at a folder's path, at a URL that fsspec knows, such as `s3://bucket/folder`, or on Drive by its API:
    `drive:folder`, which alone takes `credentials`, the JSON file of a service account or of an authorized user.

    On a mounted Drive the folder is made at once; elsewhere nothing is created before the first `put`.
    """
    from .drive_mount import DriveMount, uploads_later
    from .folder import FolderRemote

    text = str(where)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is no folder", hint="give the path of a folder, as '/content/drive/MyDrive/runs'")
    if text.startswith(_DRIVE):
        return _open_drive(text.removeprefix(_DRIVE), credentials)
    if credentials is not None:
        raise UsageError("only drive:FOLDER takes credentials", hint="leave them out, or use as 'drive:colab_resume'")
    if _URL.match(text):
        return _open_url(text)
    path = Path(where).absolute()
    return DriveMount(path) if is_drive(path) or uploads_later(path) else FolderRemote(path)


def _open_drive(folder: str, credentials: str | Path | None) -> Remote:
    from .drive_api import DriveAPI

    given = credentials or os.environ.get("COLAB_RESUME_CREDENTIALS") or None
    root_url = os.environ.get("COLAB_RESUME_DRIVE_URL") or "https://www.googleapis.com/"
    return DriveAPI(folder or DRIVE_FOLDER, credentials=given, root_url=root_url)


def _open_url(url: str) -> Remote:
    from .filesystem import open_filesystem

    if "://" not in url:
        hint = "give it as a text: a Path writes '//' as '/'"
        raise UsageError(f"{url!r} is neither a folder nor a whole URL", hint=hint)
    return open_filesystem(url)
