"""One resumable upload between its start and its end: the bytes so far, and whose turn it is.

Each request takes the session over from the one before. A client whose connection hangs asks or sends anew; what the
old connection still brings is refused, so what a session reported last is what it has.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from .answers import Answer
from .asks import Ask
from .contents import Blob, Incoming
from .refusals import DriveError, session_gone, unavailable

__all__ = ["Session"]


@dataclass
class Session:
    """`total` is None until the client has said how long the file is."""

    ask: Ask
    incoming: Incoming
    started: float
    total: int | None = None
    answer: Answer | None = None
    dead: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    _turn: int = 0

    def take(self) -> int:
        """What the request before left behind of an unfinished quantum is dropped, as Drive drops it."""
        with self.lock:
            self._turn += 1
            if self.answer is None:
                self.incoming.drop_rest()
            return self._turn

    def write(self, turn: int, data: bytes) -> None:
        with self.lock:
            self.check(turn)
            self.incoming.write(data)

    def check(self, turn: int) -> None:
        if turn != self._turn:
            raise unavailable()
        if self.dead is not None:
            raise session_gone(self.dead)

    def finish(self) -> Blob:
        return self.incoming.finish()

    def die(self, status: int) -> None:
        with self.lock:
            self.dead = status
            if self.answer is None:
                self.incoming.discard()

    def agree_on_total(self, total: int | None) -> None:
        """Said at the start or with a chunk, once and for all."""
        if total is None:
            return
        if self.total not in (None, total):
            message = f"The upload was started with {self.total} bytes and is now said to have {total}."
            raise DriveError(400, "badRequest", message)
        self.total = total
