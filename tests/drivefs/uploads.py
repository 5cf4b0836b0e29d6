"""The way from the VM to Drive: files that nobody writes to, one at a time, in the background or when told to."""

from __future__ import annotations

import threading
import time

from drivefs.busy import Busy
from drivefs.cache import Cache
from drivefs.conditions import Conditions

__all__ = ["Uploads"]

_AGAIN = 0.05
"""Seconds until a failed upload is tried again."""


class Uploads:
    def __init__(self, cache: Cache, conditions: Conditions) -> None:
        self.cache = cache
        self.conditions = conditions
        self.changed = threading.Condition(cache.lock)
        self.change(conditions)

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def change(self, conditions: Conditions) -> None:
        """In force when this returns."""
        with self.changed:
            self.conditions = conditions
            if conditions.offline and not self.cache.offline:
                self.cache.follow_all()
            self.cache.offline = conditions.offline
            if not conditions.offline:
                self.cache.journal.tell_all()
            for busy in self.cache.busy.values():
                busy.failed = None
            self.changed.notify_all()

    def pending(self) -> dict[str, str]:
        """The files whose bytes Drive does not have, and why not."""
        with self.changed:
            return {name: self._why(busy) for name, busy in self.cache.busy.items() if busy.dirty}

    def _why(self, busy: Busy) -> str:
        return busy.failed or ("not yet" if busy.waits else "open for writing")

    def upload(self, name: str | None) -> None:
        """Upload one file, or all, now: held or not, and however slow the line is."""
        with self.changed:
            if name is not None and name not in self.cache.busy and not self.cache.path(name).exists():
                raise FileNotFoundError(f"{name} is not in MyDrive")
            for each in [name] if name is not None else list(self.cache.busy):
                if (busy := self.cache.busy.get(each)) and busy.waits:
                    self._finish(each, busy)
            self.changed.notify_all()

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is on its way: all has arrived, failed, or is kept back; whether that was in time."""
        with self.changed:
            return self.changed.wait_for(self._is_quiet, seconds)

    def _is_quiet(self) -> bool:
        kept_back = self.conditions.held or self.conditions.offline
        return kept_back or all(busy.failed for busy in self.cache.busy.values() if busy.waits)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than these conditions last."""
        with self.changed:
            before = self.conditions
            self.changed.wait_for(lambda: self.conditions is not before, seconds)

    def _run(self) -> None:
        with self.changed:
            while True:
                self.changed.wait(self._step())

    def _step(self) -> float | None:
        """Upload what is due; the seconds until something else is, None if nothing waits."""
        now, waits = time.monotonic(), []
        if self.conditions.held or self.conditions.offline:
            return None
        for name, busy in list(self.cache.busy.items()):
            if not busy.waits:
                continue
            if (wait := busy.since + self.conditions.delay - now) > 0:
                waits.append(wait)
            else:
                # Others may have become due while this one took its time.
                waits.append(0.0 if self._transfer(name, busy) else _AGAIN)
        return min(waits, default=None)

    def _transfer(self, name: str, busy: Busy) -> bool:
        before, version = self.conditions, busy.version
        if before.rate:
            seconds = busy.path.stat().st_size / before.rate
            if self.changed.wait_for(lambda: self.conditions is not before or busy.version != version, seconds):
                return False
        # While it waited for the line, the file may have been renamed, deleted or opened.
        return self.cache.busy.get(name) is busy and busy.waits and self._finish(name, busy)

    def _finish(self, name: str, busy: Busy) -> bool:
        busy.failed = self._refusal(name, busy)
        if busy.failed is None:
            self.cache.set_arriving_id(busy)
            self.cache.account.arrive(busy.path, name)
            self.cache.cleaned(name)
        self.changed.notify_all()
        return busy.failed is None

    def _refusal(self, name: str, busy: Busy) -> str | None:
        if self.conditions.offline:
            return "offline"
        if name in self.conditions.lost:
            return "lost"
        account, space = self.cache.account, self.conditions.drive_space
        if space is not None and account.used() - account.size(name) + busy.path.stat().st_size > space:
            return "Drive is full"
        return None
