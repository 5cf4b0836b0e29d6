"""The road between client and server: so many bytes a second each way, shared by all connections, and a latency."""

from __future__ import annotations

import threading
import time

__all__ = ["CREDIT", "Direction", "Link"]

CREDIT = 0.02
"""Seconds that a lane may have been late and still catch up: sleeping and hashing must not eat into the rate."""


class Direction:
    """One lane; `carry` returns when the bytes would have arrived."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def carry(self, size: int) -> None:
        if self._rate is None:
            return
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic() - CREDIT) + size / self._rate
            arrives = self._free_at
        time.sleep(max(0.0, arrives - time.monotonic()))


class Link:
    """Both lanes."""

    def __init__(self, *, latency: float = 0.0, rate: float | None = None) -> None:
        if latency < 0 or (rate is not None and rate <= 0):
            raise ValueError(f"latency={latency} and rate={rate} describe no link")
        self._latency = latency
        self.up = Direction(rate)
        self.down = Direction(rate)

    def delay(self) -> None:
        """Once for each request."""
        if self._latency:
            time.sleep(self._latency)
