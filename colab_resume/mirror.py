"""One thread that keeps the remote equal to the store, and the waiting for it.

It has no queue: a round of `Replica.sync` works out what is missing and sends it. Failures become `problem`, a text for
the status; the next round tries again, sooner or later; they raise only for who waits in `flush`.

Folders that other frameworks write to are looked at between rounds. What has settled there is sent after the
checkpoints, and a checkpoint or a sign of life that becomes due meanwhile goes first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from .background import BackgroundThread, step_back
from .checkpoints.manifest import Manifest
from .checkpoints.replica import HEARTBEAT_SECONDS, Replica
from .errors import ColabResumeError, NotSafe, RemoteUnavailable
from .folders import Folders
from .remotes.abilities import Space
from .status import Sending

__all__ = ["Mirror", "Mirroring", "NoMirror"]

_LONGEST_PAUSE = 60.0


def _nothing() -> None:
    """There is nothing that could be done."""


class Mirroring(Protocol):
    """What the run needs of a mirror."""

    @property
    def problem(self) -> str: ...

    @property
    def error(self) -> ColabResumeError | None: ...

    @property
    def busy(self) -> bool: ...

    @property
    def sending(self) -> Sending | None: ...

    @property
    def sent(self) -> Manifest | None: ...

    @property
    def safe(self) -> Manifest | None: ...

    @property
    def space(self) -> Space | None: ...

    def wake(self) -> None: ...

    def flush(self, timeout: float | None, *, mend: Callable[[], None]) -> None: ...

    def close(self, timeout: float | None) -> bool: ...


class NoMirror:
    """There is no remote: nothing is ever safe, and nothing is waited for."""

    problem = ""
    error = None
    busy = False
    sending = None
    sent = None
    safe = None
    space = None

    def wake(self) -> None:
        """There is nothing to do."""

    def flush(self, timeout: float | None, *, mend: Callable[[], None] = _nothing) -> None:
        """There is nothing to wait for."""

    def close(self, timeout: float | None) -> bool:  # noqa: ARG002 - the shape of Mirroring
        """There is nothing to end."""
        return True


class Mirror:
    """Owns the thread; the first round begins at once."""

    def __init__(self, replica: Replica, folders: Folders | None = None) -> None:
        self._replica = replica
        self._folders = folders
        self._condition = threading.Condition()
        self._asked = 1
        self._done = 0
        self._awaited = 0
        self._rested = 0
        self._looked = 0
        self._error: ColabResumeError | None = None
        self._closing = False
        self._thread = BackgroundThread(self._work, name="colab_resume-mirror")
        self._thread.start()

    @property
    def problem(self) -> str:
        """What keeps the remote from being equal to the store; empty if nothing does."""
        return "" if self._error is None else f"the remote is behind: {self._error}"

    @property
    def error(self) -> ColabResumeError | None:
        """The same, as it was raised."""
        return self._error

    @property
    def busy(self) -> bool:
        """Whether a round is under way or due."""
        return self._asked > self._done

    @property
    def sending(self) -> Sending | None:
        """What is on its way at the moment."""
        return self._replica.sending

    @property
    def sent(self) -> Manifest | None:
        """The newest checkpoint that the remote has taken whole."""
        return self._replica.sent

    @property
    def safe(self) -> Manifest | None:
        """The newest checkpoint that the remote has confirmed."""
        return self._replica.safe

    @property
    def space(self) -> Space | None:
        """What the remote said of its space last, if it tells."""
        return self._replica.space

    def wake(self) -> None:
        """There is something new in the store."""
        with self._condition:
            self._asked += 1
            self._condition.notify_all()

    def flush(self, timeout: float | None, *, mend: Callable[[], None] = _nothing) -> None:
        """Wait until all that is in the store now is on the remote, and all that is in the folders has settled and is.

        `NotSafe` says what kept it from that. A passing failure is waited out, and each time `mend` is called, by who
        waits; one that no waiting mends raises at once.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            self._asked += 1
            wanted, self._error = self._asked, None
            self._awaited = wanted
            self._condition.notify_all()
        seen: ColabResumeError | None = None
        while not self._waited_for(wanted, seen, end) and not self._closing and not self._is_refused():
            if self._error is seen:
                break
            seen = self._error
            mend()
        if self._rested < wanted:
            raise self._not_safe(wanted) from self._error

    def _waited_for(self, wanted: int, seen: ColabResumeError | None, end: float | None) -> bool:
        """Wait until that round is done and all rests, or one has failed anew, or none can come; whether all rests."""

        def over() -> bool:
            return self._rested >= wanted or self._closing or self._is_refused() or self._error not in (None, seen)

        with self._condition:
            self._condition.wait_for(over, None if end is None else max(0.0, end - time.monotonic()))
            return self._rested >= wanted

    def close(self, timeout: float | None) -> bool:
        """End the thread after the round it is in; whether that was reached in time. Closing again is harmless."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _is_refused(self) -> bool:
        if self._error is not None:
            return not isinstance(self._error, RemoteUnavailable)
        return self._folders is not None and self._looked >= self._awaited > 0 and bool(self._folders.problems)

    def _work(self) -> None:
        step_back()
        pause = 1.0
        while (asked := self._next_request()) is not None:
            error = self._round(asked)
            with self._condition:
                self._error = error
                if error is None:
                    self._done, pause = asked, 1.0
                    if self._folders is None or not self._folders.watched:
                        self._rested = asked
                self._condition.notify_all()
                if error is not None:
                    self._pause(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    def _pause(self, seconds: float) -> None:
        before = self._asked
        self._condition.wait_for(lambda: self._closing or self._asked > before, seconds)

    def _next_request(self) -> int | None:
        """The number of the newest request, or the last one again for a heartbeat or for a folder; None at the end."""
        end = time.monotonic() + HEARTBEAT_SECONDS
        while True:
            left = end - time.monotonic()
            awaited = self._awaited > self._rested
            pause = left if self._folders is None else min(left, self._folders.pause(awaited=awaited))
            with self._condition:
                self._condition.wait_for(lambda: self._asked > self._done or self._closing, max(0.0, pause))
                if self._closing or self._asked > self._done or time.monotonic() >= end:
                    return None if self._closing else self._asked
            if self._look():
                return self._asked

    def _look(self) -> bool:
        """Whether a folder has something to send; if all of them rest, whoever waits for that is told."""
        if self._folders is None:
            return False
        awaited = self._awaited
        due = self._folders.look(awaited)
        with self._condition:
            self._looked = awaited
            if self._folders.rest and not due:
                self._rested = self._done
            self._condition.notify_all()
        return due

    def _round(self, asked: int) -> ColabResumeError | None:
        end = time.monotonic() + HEARTBEAT_SECONDS
        try:
            self._replica.sync()
            if self._folders is not None:
                self._folders.sync(lambda: self._closing or self._asked > asked or time.monotonic() >= end)
        except ColabResumeError as error:
            self._forget()
            return error
        except Exception as error:  # noqa: BLE001 - a background failure is a state, never the training's end
            self._forget()
            return RemoteUnavailable(f"the mirror met {error!r}", hint="it tries again; report it if it stays")
        return None

    def _forget(self) -> None:
        self._replica.forget()
        if self._folders is not None:
            self._folders.forget()

    def _not_safe(self, wanted: int) -> NotSafe:
        if self._error is not None:
            what = f"the remote has not confirmed the newest checkpoint: {self._error.what}"
            return NotSafe(what, hint=self._error.hint)
        if self._folders is not None and self._done >= wanted:
            return _restless(self._folders)
        return NotSafe(
            "the remote has not confirmed the newest checkpoint in that time",
            hint="wait longer: run.flush(timeout=...)",
        )


def _restless(folders: Folders) -> NotSafe:
    for problem in folders.problems.values():
        what, _, hint = problem.partition("\n  -> ")
        return NotSafe(what, hint=hint or "mend what it says; it is looked at again every second")
    names = ", ".join(folder.name for folder in folders.status)
    return NotSafe(
        f"not all that is in the folders ({names}) has settled and is on the remote in that time",
        hint="wait longer: run.flush(timeout=...)",
    )
