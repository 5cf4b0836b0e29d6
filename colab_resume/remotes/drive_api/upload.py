"""From a source to a file in a session, which survives what befalls it.

The id of a new file is chosen before it is sent, and kept until it is there, so no try can make a second file: Drive
answers that the id is taken, and then what has it is compared. After any failure in a session Drive is asked how much
has arrived, and the upload goes on from there, also in another process. The md5 that Drive tells at the end is held
against the source's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ...errors import NotThere, RemoteRefused, RemoteUnavailable
from .. import Source
from ..reading import md5_of
from .addresses import is_safe
from .body import Body, RunningMD5, SourceFailed
from .items import Item
from .line import Answer, Line, told
from .pace import Pace
from .refusals import Misunderstood, SignedOut
from .sessions import Session, Sessions
from .tries import Tries
from .whole import CONTENT_TYPE, Target, session_request

__all__ = ["Upload"]


class _SessionDead(RemoteUnavailable):
    """This session goes no further; another one may."""


class Upload:
    """One upload in a session; `run` may be called once."""

    def __init__(
        self,
        line: Line,
        sessions: Sessions,
        target: Target,
        source: Source,
        size: int,
        *,
        pace: Pace,
        tries: Tries,
        clock: Callable[[], float],
    ) -> None:
        self._line = line
        self._sessions = sessions
        self._target = target
        self._source = source
        self._size = size
        self._pace = pace
        self._tries = tries
        self._clock = clock
        self._doing = f"store {target.name}"
        self._md5 = RunningMD5()
        self._position: int | None = None
        """How much has arrived; None if that must be asked."""
        kept = sessions.find(target.name, size)
        is_ours = kept is not None and (kept.file_id, kept.parent) == (target.file_id, target.parent)
        self._session = kept if is_ours else None

    def run(self) -> tuple[Item, str]:
        """The finished file, and the md5 of the source. Whatever ends it early leaves the session to the next one."""
        while (item := self._tried()) is None:
            pass
        self._sessions.drop(self._target.name)
        return item, self._md5.of_all(self._size) or md5_of(self._target.name, self._source, self._size)

    def _tried(self) -> Item | None:
        """The file, if this request completes it; after one that failed it waits."""
        try:
            return self._step()
        except (SourceFailed, SignedOut):
            raise
        except _SessionDead as error:
            self._end_session()
            failure: RemoteUnavailable = error
        except RemoteUnavailable as error:
            if self._position is not None:
                self._pace.broke()
            self._position = None
            failure = error
        except RemoteRefused:
            self._end_session()
            raise
        # Outside the except clauses: what `wait` raises has nothing to do with the failure before it.
        self._tries.failed(failure)
        return None

    def _step(self) -> Item | None:
        if self._session is None:
            self._session = self._started()
            self._position = 0
        answer = self._asked(self._session) if self._position is None else self._sent(self._session, self._position)
        if answer.status != 308:
            return Item.told(told(answer, self._doing))
        self._position = self._arrived(answer)
        return None

    def _end_session(self) -> None:
        self._sessions.drop(self._target.name)
        self._session = None

    def _started(self) -> Session:
        request = session_request(self._line, self._target)
        length = {"X-Upload-Content-Length": str(self._size), "X-Upload-Content-Type": CONTENT_TYPE}
        headers = {**request.headers, **length}
        answer = self._line.send(request.uri, request.method, request.body, headers, self._doing)
        address = answer.headers.get("location", "")
        if not is_safe(address):
            what = f"cannot {self._doing}: Drive gave no safe address to send to"
            raise RemoteRefused(what, hint="check root_url")
        target = self._target
        session = Session(
            name=target.name,
            size=self._size,
            file_id=target.file_id,
            parent=target.parent,
            is_new=target.is_new,
            created=float(self._clock()),
            address=address,
        )
        self._sessions.keep(session)
        return session

    def _asked(self, session: Session) -> Answer:
        return self._put(session, b"", {"Content-Range": f"bytes */{self._size}", "Content-Length": "0"})

    def _sent(self, session: Session, first: int) -> Answer:
        end = min(first + self._pace.size, self._size)
        body = Body(self._target.name, self._source, first, end, size=self._size, md5=self._md5)
        headers = {
            "Content-Range": f"bytes {first}-{end - 1}/{self._size}",
            "Content-Length": str(end - first),
            "Content-Type": CONTENT_TYPE,
        }
        started = self._clock()
        try:
            answer = self._put(session, body, headers)
        finally:
            body.close()
        self._pace.carried(end - first, self._clock() - started)
        return answer

    def _put(self, session: Session, body: Any, headers: dict[str, str]) -> Answer:
        try:
            return self._line.send(session.address, "PUT", body, headers, self._doing)
        except (NotThere, Misunderstood) as error:
            raise _SessionDead(error.what, hint="its upload begins anew") from error

    def _arrived(self, answer: Answer) -> int:
        match = re.fullmatch(r"bytes=0-(\d+)", answer.headers.get("range", ""))
        position = int(match[1]) + 1 if match else 0
        if position >= self._size:
            what = f"cannot {self._doing}: Drive has all bytes and has not finished"
            raise RemoteUnavailable(what, hint="it is asked again")
        self._tries.reached(position)
        return position
