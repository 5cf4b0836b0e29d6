"""Where checkpoints survive the VM: the protocol every back end fulfils, and nothing else.

A remote is a flat set of named byte strings. Names are relative POSIX paths such as
`packs/0000001240-k3f9a2-0.safetensors`. The contract (tests/contract_remote.py runs it over every back end):

- after `put` returns, `list` and `get` of any other client see the whole new content or the whole old one;
- `put` on an existing name replaces it; a `put` that raised may have left the old, the new, or a torn content;
- a source that gives more or fewer bytes than its `size` makes `put` raise `RemoteUnavailable`; so does a back end
  that says what it has stored, by size or by md5, if that is not what was sent;
- `get` writes the bytes from `offset` on to `sink`, in order, and calls nothing but its `write`;
  a name that is not there raises `NotThere`, an offset at or behind the end writes nothing;
- `list` names what lies directly inside a folder (`""` is the top), with whole names and true sizes;
- `delete` is for good, not to a trash, and of a name that is not there does nothing;
- a name that `folder.check_name` refuses raises `RemoteRefused` from every verb, and nothing is touched;
- different names may be used from several threads at once;
- `RemoteUnavailable` is passing and worth a retry; `RemoteRefused` is not. Only the back end knows which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

__all__ = [
    "BytesSource",
    "Entry",
    "FileSource",
    "Receipt",
    "Remote",
    "Source",
]


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
