"""One HTTP exchange: a call comes in, a fault may strike, the API acts, an answer goes out, the log knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast

from .answers import Answer, error_answer
from .bodies import Body, Hangup
from .calls import Call, read_call
from .faults import (
    CloseAfter,
    CloseAmid,
    CloseBefore,
    DailyLimit,
    Delay,
    DoneBut,
    DoneButClosed,
    Drip,
    Effect,
    ExpiredToken,
    FlipReceived,
    FlipSent,
    QuotaFull,
    Refuse,
    SessionDead,
    Short,
    refusal,
)
from .refusals import DriveError

if TYPE_CHECKING:
    from .server import DriveServer, Listener

__all__ = ["Exchange", "Request"]


@dataclass(frozen=True)
class Request:
    """One line of the log; bytes are those of bodies, and a status of 0 means that no answer was sent."""

    method: str
    path: str
    method_id: str
    received: int
    sent: int
    status: int


class Exchange(BaseHTTPRequestHandler):
    """Serves one connection, request after request."""

    protocol_version = "HTTP/1.1"
    server_version = "drive_server"
    disable_nagle_algorithm = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """The base class looks for `do_GET` and its like; every verb goes the same way."""
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def log_message(self, *args: object) -> None:
        """The server's own log says more."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(self._drive.clock() if timestamp is None else timestamp, usegmt=True)

    @property
    def _drive(self) -> DriveServer:
        return cast("Listener", self.server).drive

    def _exchange(self) -> None:
        call = read_call(self.command, self.path, self.headers)
        effect = self._drive.faults.strike(call)
        body = Body(self.rfile, self.headers, self._drive.link.up)
        logged = False

        def record(status: int, sent: int) -> None:
            nonlocal logged
            logged = True
            line = Request(call.method, call.target, call.method_id, body.received, sent, status)
            self._drive.log.append(line)

        self._drive.link.delay()
        try:
            answer = self._decide(call, body, effect)
            body.drain()
            self._send(answer, effect, record)
        except (ConnectionError, FileNotFoundError):
            # The second: a content that was replaced before the client had all of it.
            self.close_connection = True
        finally:
            if not logged:
                record(0, 0)

    def _decide(self, call: Call, body: Body, effect: Effect | None) -> Answer:
        match effect:
            case CloseBefore():
                raise Hangup
            case CloseAmid(after):
                body.break_off_after = after
            case CloseAfter():
                body.drain()
                raise Hangup
            case Refuse() | QuotaFull() | DailyLimit() | ExpiredToken():
                return error_answer(refusal(effect), call.version)
            case Delay(seconds):
                self._drive.wait(seconds)
            case FlipReceived(at):
                body.flip_at = at
            case SessionDead(status):
                self._drive.api.uploads.kill(call.session_id, status)
        answer = self._act(call, body)
        match effect:
            case DoneBut(status):
                body.drain()
                return error_answer(refusal(Refuse(status)), call.version)
            case DoneButClosed():
                raise Hangup
        return answer

    def _act(self, call: Call, body: Body) -> Answer:
        try:
            return self._drive.api.act(call, body)
        except DriveError as error:
            return error_answer(error, call.version)

    def _send(self, answer: Answer, effect: Effect | None, record: Callable[[int, int], None]) -> None:
        """The log is written before the last byte goes, so that a client that has its answer finds it there."""
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(answer.length))
        self.end_headers()
        sent, waiting = 0, b""
        for piece in self._affected(answer, effect):
            self.wfile.write(waiting)
            self._drive.link.down.carry(len(piece))
            waiting, sent = piece, sent + len(piece)
        record(answer.status, sent)
        self.wfile.write(waiting)
        if sent < answer.length:
            raise Hangup

    def _affected(self, answer: Answer, effect: Effect | None) -> Iterator[bytes]:
        match effect:
            case Short(by):
                return _cut(answer.pieces, answer.length - by)
            case FlipSent(at):
                return _flipped(answer.pieces, at)
            case Drip(piece, seconds):
                return self._dripping(answer.pieces, piece, seconds)
        return iter(answer.pieces)

    def _dripping(self, pieces: Iterable[bytes], size: int, seconds: float) -> Iterator[bytes]:
        for piece in pieces:
            for start in range(0, len(piece), size):
                self._drive.wait(seconds)
                yield piece[start : start + size]


def _cut(pieces: Iterable[bytes], left: int) -> Iterator[bytes]:
    for piece in pieces:
        if left <= 0:
            return
        yield piece[:left]
        left -= len(piece)


def _flipped(pieces: Iterable[bytes], at: int) -> Iterator[bytes]:
    start = 0
    for piece in pieces:
        if start <= at < start + len(piece):
            wrong = bytes([piece[at - start] ^ 1])
            yield piece[: at - start] + wrong + piece[at - start + 1 :]
        else:
            yield piece
        start += len(piece)
