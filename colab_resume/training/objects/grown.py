"""Bytes and files that only grow, as a checkpoint holds them: in pieces, of which all but the last never change.

A piece that is whole stays one and the same object, so a checkpoint stores it once, however many hold it. What is
appended costs what it is long, and what is there already costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["GrowingFile", "Grown"]

_PIECE = 1 << 18


class Grown:
    """Bytes to which others are appended."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._whole: list[bytes] = []
        self._rest = bytearray()
        for piece in pieces:
            self.extend(piece)

    @property
    def settled(self) -> int:
        """How many bytes lie in whole pieces."""
        return len(self._whole) * _PIECE

    def extend(self, more: bytes) -> None:
        """Append these."""
        self._rest += more
        while len(self._rest) >= _PIECE:
            self._whole.append(bytes(self._rest[:_PIECE]))
            del self._rest[:_PIECE]

    def drop_rest(self) -> None:
        """Keep nothing but the whole pieces."""
        self._rest.clear()

    def pieces(self) -> list[bytes]:
        """All of it, in order."""
        return [*self._whole, bytes(self._rest)] if self._rest else [*self._whole]


class GrowingFile:
    """A file that others append to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = Grown()

    def taken(self) -> list[bytes]:
        """What is in it now; read is only what may be new."""
        with self.path.open("rb") as stream:
            if stream.seek(0, 2) < self._known.settled:
                self._known = Grown()
            self._known.drop_rest()
            stream.seek(self._known.settled)
            self._known.extend(stream.read())
        return self._known.pieces()

    def put(self, pieces: Iterable[bytes]) -> None:
        """Let it hold this and nothing else; a file that somebody has open stays the same file."""
        self._known = Grown(pieces)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "w+b") as stream:
            stream.writelines(self._known.pieces())
            stream.truncate()
