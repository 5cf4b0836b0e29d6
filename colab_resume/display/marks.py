"""How something stands, as a sign that is read as well as seen: no colour ever has to say something alone."""

from __future__ import annotations

from enum import Enum

__all__ = ["Mark"]


class Mark(Enum):
    """The value is the sign."""

    NONE = ""
    GOOD = "✓"
    BUSY = "▸"
    MOVES = "↑"
    WAITS = "…"
    WARN = "!"
