"""multipart/related: metadata and content in one body, whose lines end in CRLF or, as googleapiclient has it, LF."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

from .contents import BLOCK, Blob
from .refusals import DriveError

__all__ = ["Part", "two_parts"]


@dataclass(frozen=True)
class Part:
    """`start` and `end` are where its content lies in the body."""

    headers: Message
    start: int
    end: int

    def pieces(self, body: Blob) -> Iterator[bytes]:
        return body.pieces(self.start, self.end - self.start)


def two_parts(body: Blob, content_type: Message) -> tuple[Part, Part]:
    """The metadata and the content; anything else is refused."""
    boundary = content_type.get_param("boundary")
    if content_type.get_content_type() != "multipart/related" or not isinstance(boundary, str) or not body.size:
        raise _malformed()
    with body.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        parts = list(_parts(view, boundary.encode()))
    if len(parts) != 2 or any(
        part.headers.get("Content-Transfer-Encoding", "binary") != "binary" for part in parts[1:]
    ):
        raise _malformed()
    return parts[0], parts[1]


def _parts(view: mmap.mmap, boundary: bytes) -> Iterator[Part]:
    delimiter = b"--" + boundary
    at = view.find(delimiter)
    # How the first line ends says how all do: a content may itself end with a CR.
    newline = b"\r\n" if view[at + len(delimiter) : at + len(delimiter) + 2] == b"\r\n" else b"\n"
    if at < 0 or (at > 0 and view[at - 1 : at] != b"\n"):
        raise _malformed()
    at += len(delimiter)
    while view[at : at + 2] != b"--":
        if view[at : at + len(newline)] != newline:
            raise _malformed()
        end = view.find(newline + delimiter, at)
        head = view.find(newline * 2, at, end + len(newline))
        if end < 0 or head < 0:
            raise _malformed()
        yield _part(view, at, head, head + 2 * len(newline), end)
        at = end + len(newline) + len(delimiter)


def _part(view: mmap.mmap, at: int, head: int, start: int, end: int) -> Part:
    if head - at > BLOCK:
        raise _malformed()
    return Part(BytesParser().parsebytes(view[at:head].lstrip() + b"\n\n"), start, end)


def _malformed() -> DriveError:
    return DriveError(400, "badRequest", "Malformed multipart body.")
