"""A request's body while it arrives: with a length or in chunks, counted, able to break off or go wrong on demand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from io import BufferedIOBase, BufferedReader
from typing import cast

from .contents import BLOCK
from .link import Direction
from .refusals import DriveError

__all__ = ["Body", "Hangup"]

MOST_METADATA = 8 << 20


class Hangup(ConnectionError):
    """The connection is over, by the client's doing or by a fault; nothing more is read or answered."""


class Body:
    """`length` is None where the client sends chunks; `received` counts what came, without the chunks' frames."""

    def __init__(self, stream: BufferedIOBase, headers: Message, lane: Direction) -> None:
        self._stream = cast(BufferedReader, stream)
        self._lane = lane
        self._chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        self.length = None if self._chunked else _length(headers)
        self.received = 0
        self.break_off_after: int | None = None
        self.flip_at: int | None = None
        self._pieces = self._watched(self._chunks() if self._chunked else self._plain())

    def pieces(self) -> Iterator[bytes]:
        """What has not been read yet."""
        return self._pieces

    def read(self) -> bytes:
        """All of it; meant for metadata and forms."""
        found = b"".join(self._pieces) if (self.length or 0) <= MOST_METADATA else None
        if found is None or len(found) > MOST_METADATA:
            raise DriveError(413, "uploadTooLarge", "The request is too large.")
        return found

    def drain(self) -> None:
        """So that the next request on this connection starts where it should."""
        for _ in self._pieces:
            pass

    def _watched(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            start, self.received = self.received, self.received + len(piece)
            self._lane.carry(len(piece))
            if self.break_off_after is not None and self.received >= self.break_off_after:
                self.received = self.break_off_after
                yield piece[: self.break_off_after - start]
                raise Hangup
            if self.flip_at is not None and start <= self.flip_at < self.received:
                at = self.flip_at - start
                yield piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1 :]
            else:
                yield piece
        if self.break_off_after is not None:
            raise Hangup

    def _plain(self) -> Iterator[bytes]:
        yield from self._exactly(self.length or 0)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            line = self._stream.readline(1024).split(b";")[0].strip()
            if re.fullmatch(rb"[0-9a-fA-F]{1,12}", line) is None:
                raise Hangup  # nobody knows where the next request would begin
            size = int(line, 16)
            yield from self._exactly(size)
            if size == 0:
                break
            self._stream.readline(1024)
        while self._stream.readline(65536).strip():
            pass

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._stream.read1(min(size, BLOCK))
            if not piece:
                raise Hangup
            size -= len(piece)
            yield piece


def _length(headers: Message) -> int:
    text = headers.get("Content-Length", "0")
    if not text.isdecimal():
        raise Hangup
    return int(text)
