"""The bytes of files: kept in a folder, never in memory, and hashed while they arrive.

Bytes become lasting in whole quanta of 256 KiB, because that is what Drive keeps of a chunk that broke off; the rest
of an `Incoming` waits in memory until its quantum is full or the upload ends.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BLOCK", "Blob", "Contents", "Incoming", "QUANTUM"]

QUANTUM = 256 * 1024
BLOCK = 1 << 18


@dataclass(frozen=True)
class Blob:
    """Bytes that will not change any more."""

    path: Path
    size: int
    md5: str
    sha1: str
    sha256: str

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        with self.path.open("rb") as stream:
            stream.seek(start)
            while length > 0 and (piece := stream.read(min(BLOCK, length))):
                length -= len(piece)
                yield piece


class Incoming:
    """Bytes on their way in; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        self._hashes = [hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False), hashlib.sha256()]
        self._rest = bytearray()
        self.stored = 0

    @property
    def received(self) -> int:
        return self.stored + len(self._rest)

    def write(self, data: bytes) -> None:
        self._rest += data
        whole = len(self._rest) - len(self._rest) % QUANTUM
        if whole:
            self._keep(bytes(self._rest[:whole]))
            del self._rest[:whole]

    def drop_rest(self) -> None:
        """Whole quanta stay."""
        self._rest.clear()

    def finish(self) -> Blob:
        self._keep(bytes(self._rest))
        self._rest.clear()
        md5, sha1, sha256 = (each.hexdigest() for each in self._hashes)
        return Blob(self._path, self.stored, md5, sha1, sha256)

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)

    def _keep(self, data: bytes) -> None:
        # An upload may never end, so no file stays open between two pieces.
        with self._path.open("ab", buffering=0) as stream:
            stream.write(data)
        for each in self._hashes:
            each.update(data)
        self.stored += len(data)


class Contents:
    """The folder; each content is a file of its own and goes when nothing needs it any more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def incoming(self) -> Incoming:
        return Incoming(self._folder / f"{next(self._numbers):06}")

    def store(self, data: bytes) -> Blob:
        incoming = self.incoming()
        incoming.write(data)
        return incoming.finish()
