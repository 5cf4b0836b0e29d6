"""Resumable uploads: `start` gives the session's URI, `serve` takes its chunks and questions.

Choices where Drive is known to vary, or where nobody says what it does:
- A chunk that starts behind what is stored is refused with 400 and Google's own words (seen on Drive by clients that
  miscounted); one that starts before it is taken, and what is stored already is passed over.
- A chunk that is neither a multiple of 256 KiB nor the last is refused with 400 and nothing of it is kept.
- A session dies a week after its start. A refusal at the end (quota, etag, id) ends it too: start over, say the docs.
- If-Match is held against the file at the start and once more at the end.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from .answers import Answer
from .asks import Ask
from .bodies import Body
from .calls import Call
from .contents import QUANTUM
from .refusals import DriveError, session_gone
from .sessions import Session

__all__ = ["Uploads"]

WEEK = 7 * 24 * 3600.0
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True)
class Chunk:
    """`first` is None for a mere question, `length` for a body that ends where it ends."""

    first: int | None
    length: int | None
    total: int | None


class Uploads:
    """All sessions of a server; `complete` turns metadata and content into the answer that ends an upload."""

    def __init__(self, clock: Callable[[], float], complete: Callable[[Ask], Answer]) -> None:
        self._clock = clock
        self._complete = complete
        self._sessions: dict[str, Session] = {}

    def start(self, ask: Ask, total: int | None) -> Answer:
        session_id = secrets.token_urlsafe(48)
        session = Session(ask, ask.account.contents.incoming(), self._clock(), total)
        self._sessions[session_id] = session
        path = ask.call.target.split("?")[0].lstrip("/")
        location = f"{ask.call.base_url}{path}?uploadType=resumable&upload_id={session_id}"
        return Answer(200, {"Location": location, "X-GUploader-UploadID": session_id})

    def kill(self, session_id: str | None, status: int) -> None:
        if session_id in self._sessions:
            self._sessions[session_id].die(status)

    def stored(self, session_id: str) -> int:
        """How many bytes a session has, without the asking that would take it over."""
        return self._sessions[session_id].incoming.stored

    def serve(self, call: Call, body: Body) -> Answer:
        session = self._find(call.session_id)
        turn = session.take()
        if call.method == "DELETE":
            session.die(404)
            return Answer(499)
        if session.answer is not None:
            body.drain()
            return session.answer
        chunk = _read_chunk(call, body)
        session.agree_on_total(chunk.total)
        if chunk.length is None:
            chunk = replace(chunk, length=session.total)
        if chunk.first is None:
            body.drain()
        else:
            self._receive(session, turn, chunk, body)
        return self._outcome(session, turn)

    def _find(self, session_id: str | None) -> Session:
        session = self._sessions.get(session_id or "")
        if session is None:
            raise session_gone()
        if session.dead is None and self._clock() - session.started >= WEEK:
            session.die(404)
        if session.dead is not None:
            raise session_gone(session.dead)
        return session

    def _receive(self, session: Session, turn: int, chunk: Chunk, body: Body) -> None:
        assert chunk.first is not None
        stored = session.incoming.stored
        if chunk.first > stored:
            raise _out_of_place(chunk.first, stored)
        passed_over, got = stored - chunk.first, 0
        for piece in body.pieces():
            skip = max(0, passed_over - got)
            got += len(piece)
            if chunk.length is not None and got > chunk.length:
                raise _bad_range("The body is longer than its Content-Range.")
            session.write(turn, piece[skip:])
        if chunk.length not in (None, got):
            raise _bad_range("The body is shorter than its Content-Range.")
        if chunk.length is None:
            session.agree_on_total(got)

    def _outcome(self, session: Session, turn: int) -> Answer:
        with session.lock:
            session.check(turn)
            received = session.incoming.received
            if received != session.total:
                return Answer(308, {"Range": f"bytes=0-{received - 1}"} if received else {})
            try:
                session.answer = self._complete(replace(session.ask, blob=session.finish()))
            except DriveError:
                session.die(404)
                raise
            return session.answer


def _read_chunk(call: Call, body: Body) -> Chunk:
    text = call.headers.get("Content-Range")
    if text is None:
        return Chunk(0, body.length, body.length)
    match = CONTENT_RANGE.fullmatch(text.strip())
    if match is None:
        raise _bad_range("Failed to parse Content-Range header.")
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return Chunk(None, None, total)
    first, last = int(match[1]), int(match[2])
    length = last - first + 1
    if length < 1 or (total is not None and last >= total) or body.length not in (None, length):
        raise _bad_range("Invalid request. The Content-Range header does not fit the body or the total.")
    if (total is None or last + 1 < total) and length % QUANTUM:
        raise _bad_range(
            f"Invalid request. The number of bytes uploaded must be a multiple of {QUANTUM}, but is {length}."
        )
    return Chunk(first, length, total)


def _bad_range(message: str) -> DriveError:
    return DriveError(400, "badRequest", message)


def _out_of_place(offset: int, stored: int) -> DriveError:
    return _bad_range(
        f"Invalid request.  According to the Content-Range header, the upload offset is {offset} byte(s), "
        f"which exceeds already uploaded size of {stored} byte(s)."
    )
