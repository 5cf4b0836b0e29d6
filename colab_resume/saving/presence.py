"""That a session is there: what it says of itself, and its right to write. Both are given up when it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..errors import RemoteError, RemoteUnavailable, StoreError
from ..remotes import Remote
from ..sessions.identity import Ending, SessionRecord, begin_session
from ..sessions.kernel_log import kernel_restarts
from ..sessions.lease import lease_for
from ..sessions.lives import lives
from ..sessions.machine import count_oom_kills, look
from ..status import Life
from ..training.provenance import gpu_name, versions
from .findings import Findings

__all__ = ["Presence"]


class Presence:
    """Of the session of this id, in a place told in words; `tell` hears what is waited for, and what is refused.

    Raises `RunInUse` if another session works on the run and nobody said `takeover`.
    """

    def __init__(
        self, session: str, remote: Remote | None, *, place: str, takeover: bool, tell: Callable[[str], None]
    ) -> None:
        here = look(gpu=gpu_name(), place=place)
        self.record = begin_session(
            session=session, now=time.time(), step=0, restored=None, versions=versions(), machine=here
        )
        self.restarts = kernel_restarts(kernel_id=here.kernel_id)
        """What the notebook server has written down of this kernel."""
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._lease = None if remote is None else lease_for(remote, self.record, tell=tell, wait=self._wait)
        if self._lease is not None:
            # A remote that takes nothing is no reason not to train; before anything is sent it is asked again.
            try:
                self._lease.acquire(takeover=takeover)
            except RemoteError as error:
                tell(f"the remote takes nothing so far, checkpoints wait on this disk: {error}")

    def close(self) -> None:
        """Nobody waits for the right to write any more: who still did gives up, and leaves nothing behind."""
        self._closing.set()

    def _wait(self, seconds: float) -> None:
        if self._closing.wait(seconds):
            raise RemoteUnavailable("the session ends", hint="the next one goes on")

    @property
    def ended(self) -> str:
        """How this session has ended; empty while it lives."""
        return self.record.ended or ""

    def check(self) -> None:
        """Raise `RunInUse` if another session has taken over; may ask the remote."""
        if self._lease is not None:
            self._lease.check()

    def begin(self, found: Findings) -> None:
        """It goes on from what was found."""
        self.record = replace(
            self.record,
            step=found.first_step,
            restored=found.good.name if found.good else None,
            number=found.number,
            began_by=found.happened.kind,
        )
        self._lives = lives(found.earlier, self.record, now=found.looked_at)
        if self._lease is not None:
            self._lease.introduce(self.record)

    def lives(self, *, step: int, saves: int, saving_seconds: float) -> tuple[Life, ...]:
        """All sessions that are known, this one as it is now the last. Asked twice a second, so it reads nothing."""
        *earlier, own = self._lives
        last_sign = self.record.heartbeat if self.record.ended else max(time.time(), own.began)
        now = replace(
            own,
            last_sign=last_sign,
            ended=self.ended,
            lives=not self.ended,
            last_step=step,
            saves=saves,
            saving_seconds=saving_seconds,
        )
        return *earlier, now

    def now(self, *, step: int, saves: int, saving_seconds: float) -> SessionRecord:
        """A sign of life, unless it has ended."""
        record = replace(self.record, lease=self._lease.number if self._lease is not None else 0)
        if record.ended:
            return record
        kills = count_oom_kills()
        return record.beat(time.time(), step, saves=saves, saving_seconds=saving_seconds, oom_kills=kills)

    def end(self, last: SessionRecord, how: Ending, error: str) -> None:
        """From now on the record says that this session has ended; `last` is its last sign of life."""
        self.record = last.end(how, time.time(), error=error)

    def write(self, record: Callable[[], SessionRecord], folder: Path) -> str:
        """Put a record of this session on the disk; why that is not possible, empty if it was.

        The loop says how the session ended while the writer's thread says that it lives: what is written last was asked
        for last.
        """
        with self._writing:
            try:
                record().save(folder)
            except StoreError as error:
                return f"this disk does not take the session's record: {error}"
        return ""

    def go_on(self, step: int) -> None:
        """If it had been taken for ended, it was not."""
        if self.record.ended:
            self.record = self.record.beat(time.time(), step)
