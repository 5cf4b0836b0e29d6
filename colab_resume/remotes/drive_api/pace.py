"""How much one request carries: more while the line is fast, since each request costs a delay; less after a break."""

from __future__ import annotations

from ...errors import UsageError

__all__ = ["Pace", "QUANTUM"]

QUANTUM = 256 << 10
"""All requests of an upload but the last must carry a multiple of this."""
_LEAST = 1 << 20
_QUICK = 5.0


class Pace:
    """Learns from every transfer of a remote. Threads may share it: at worst one goes by what another has learned."""

    def __init__(self, first: int, most: int) -> None:
        if first < QUANTUM or first % QUANTUM:
            raise UsageError(
                f"chunk={first} is no multiple of {QUANTUM} bytes", hint="use chunk=8 << 20, or leave it out"
            )
        self._least = min(first, _LEAST)
        self._most = max(first, most)
        self.size = first

    def carried(self, size: int, seconds: float) -> None:
        """A request with so many bytes took so long; only a full one says something."""
        if size >= self.size and seconds < _QUICK:
            self.size = min(2 * self.size, self._most)

    def broke(self) -> None:
        self.size = max(self.size // 2 // QUANTUM * QUANTUM, self._least)
