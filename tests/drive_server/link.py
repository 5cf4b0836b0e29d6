"""The road between client and server: so many bytes a second each way, shared by all connections, and a latency."""

from __future__ import annotations

import threading
import time

__all__ = ["CREDIT", "Direction", "Link"]

CREDIT = 0.02
"""Seconds that a lane may have been late and still catch up: sleeping and hashing must not eat into the rate."""

OUTAGE = 0.2
"""Seconds for which a lane that is lost carries nothing."""


class Direction:
    """One lane; `carry` returns when the bytes would have arrived. `carried`: how many have."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self.carried = 0
        self._lost_at: float = float("inf")
        self._lost_until: float | None = None
        self._lock = threading.Lock()
        self._free_at = 0.0

    def lose(self, after: int) -> None:
        """When so many bytes more have been carried, all that is on its way is lost, once."""
        with self._lock:
            self._lost_at, self._lost_until = self.carried + after, None

    def carry(self, size: int) -> None:
        with self._lock:
            if self.carried + size > self._lost_at:
                self._lost_until = self._lost_until or time.monotonic() + OUTAGE
                if time.monotonic() < self._lost_until:
                    raise ConnectionResetError("the link was lost")
                self._lost_at = float("inf")
            self.carried += size
            if self._rate is None:
                return
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
