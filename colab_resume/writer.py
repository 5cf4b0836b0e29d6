"""One thread that turns snapshots into committed checkpoints on the VM's disk.

It has no queue: it holds one snapshot or none, and while it holds one no other can be taken. What goes wrong becomes
`problem`, a text for the status, until a checkpoint succeeds; it never reaches the training loop.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .background import BackgroundThread, step_back
from .checkpoints.manifest import Manifest
from .checkpoints.store import Store
from .errors import ColabResumeError
from .training.capture.snapshot import Snapshot
from .training.journal import Journal

__all__ = ["Draft", "Writer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draft:
    """A snapshot and what its manifest will say about it; `facts` are keyword arguments of `Store.commit`."""

    snapshot: Snapshot
    facts: dict[str, Any]


class Writer:
    """Owns the thread. `written` is called in it after each attempt: the draft, the manifest or None, the seconds."""

    def __init__(
        self, store: Store, journal: Journal, written: Callable[[Draft, Manifest | None, float], None]
    ) -> None:
        self._store = store
        self._journal = journal
        self._written = written
        self._condition = threading.Condition()
        self._draft: Draft | None = None
        self._closing = False
        self._thread: BackgroundThread | None = None
        self.problem = ""
        self.disturbed = False
        """Whether the last draft's state had changed before it was copied, so that it was not written."""

    @property
    def idle(self) -> bool:
        """Whether a draft would be taken."""
        return self._draft is None

    def offer(self, draft: Draft) -> None:
        """Hand over a draft; the writer must be idle. The thread starts with the first one."""
        with self._condition:
            if self._draft is not None or self._closing:
                raise RuntimeError("the writer is busy or closed")
            if self._thread is None or not self._thread.is_alive():
                self._thread = BackgroundThread(self._work, name="colab_resume-writer")
                self._thread.start()
            self._draft = draft
            self._condition.notify_all()

    def wait(self, timeout: float | None) -> bool:
        """Wait until nothing is in hand; whether that was reached in `timeout` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._draft is None, timeout)

    def close(self, timeout: float | None) -> bool:
        """Finish what is in hand and end the thread; whether that was reached in time. Closing again is harmless."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _work(self) -> None:
        step_back()
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._draft is not None or self._closing)
                draft = self._draft
            if draft is None:
                return
            self._write(draft)
            with self._condition:
                self._draft = None
                self._condition.notify_all()

    def _write(self, draft: Draft) -> None:
        begin = time.perf_counter()
        manifest = None
        try:
            slabs = draft.snapshot.slabs()
            self.disturbed = slabs is None
            if slabs is not None:
                self._journal.sync()
                manifest = self._store.commit(slabs=slabs, state=draft.snapshot.state, **draft.facts)
                self.problem = ""
        except ColabResumeError as error:
            self.problem = f"the state could not be saved: {error}"
        except Exception as error:  # noqa: BLE001 - a background failure is a state, never the training's end
            self.problem = f"the state could not be saved: {error!r}"
        try:
            self._written(draft, manifest, time.perf_counter() - begin)
        except Exception as error:  # noqa: BLE001 - the same
            self.problem = f"old checkpoints could not be cleared away: {error}"
