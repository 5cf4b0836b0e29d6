"""One thread that keeps the remote equal to the store, and the waiting for it.

It has no queue: a round of `Replica.sync` works out what is missing and sends it. Failures become `problem`, a text for
the status; the next round tries again, sooner or later; they raise only for who waits in `flush`.
"""

from __future__ import annotations

import threading
from typing import Protocol

from .background import step_back
from .checkpoints.manifest import Manifest
from .checkpoints.replica import HEARTBEAT_SECONDS, Replica
from .errors import ColabResumeError, NotSafe, RemoteUnavailable
from .remotes.abilities import Space
from .status import Sending

__all__ = ["Mirror", "Mirroring", "NoMirror"]

_LONGEST_PAUSE = 60.0


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

    def flush(self, timeout: float | None) -> None: ...

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

    def flush(self, timeout: float | None) -> None:
        """There is nothing to wait for."""

    def close(self, timeout: float | None) -> bool:  # noqa: ARG002 - the shape of Mirroring
        """There is nothing to end."""
        return True


class Mirror:
    """Owns the thread; the first round begins at once."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._condition = threading.Condition()
        self._asked = 1
        self._done = 0
        self._error: ColabResumeError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="colab_resume-mirror", daemon=True)
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

    def flush(self, timeout: float | None) -> None:
        """Wait until all that is in the store now is on the remote; `NotSafe` says what kept it from that.

        A passing failure is waited out; one that no waiting mends raises at once.
        """
        with self._condition:
            self._asked += 1
            wanted, self._error = self._asked, None
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._done >= wanted or self._closing or self._is_refused(), timeout)
            if self._done < wanted:
                raise _not_safe(self._error) from self._error

    def close(self, timeout: float | None) -> bool:
        """End the thread after the round it is in; whether that was reached in time. Closing again is harmless."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _is_refused(self) -> bool:
        return self._error is not None and not isinstance(self._error, RemoteUnavailable)

    def _work(self) -> None:
        step_back()
        pause = 1.0
        while (asked := self._next_request()) is not None:
            error = self._round()
            with self._condition:
                self._error = error
                if error is None:
                    self._done, pause = asked, 1.0
                self._condition.notify_all()
                if error is not None:
                    self._pause(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)

    def _pause(self, seconds: float) -> None:
        before = self._asked
        self._condition.wait_for(lambda: self._closing or self._asked > before, seconds)

    def _next_request(self) -> int | None:
        """The number of the newest request, or the last one again for a heartbeat; None when it is time to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._asked > self._done or self._closing, HEARTBEAT_SECONDS)
            return None if self._closing else self._asked

    def _round(self) -> ColabResumeError | None:
        try:
            self._replica.sync()
        except ColabResumeError as error:
            self._replica.forget()
            return error
        except Exception as error:  # noqa: BLE001 - a background failure is a state, never the training's end
            self._replica.forget()
            return RemoteUnavailable(f"the mirror met {error!r}", hint="it tries again; report it if it stays")
        return None


def _not_safe(error: ColabResumeError | None) -> NotSafe:
    if error is None:
        return NotSafe(
            "the remote has not confirmed the newest checkpoint in that time",
            hint="wait longer: run.flush(timeout=...)",
        )
    return NotSafe(f"the remote has not confirmed the newest checkpoint: {error.what}", hint=error.hint)
