"""A file that is not simply what Drive has, and whether it could be uploaded now."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Busy"]


@dataclass(eq=False)
class Busy:
    """A file that is open for writing, or that Drive does not have yet."""

    path: Path
    dirty: bool = False
    version: int = 0
    since: float = 0.0
    failed: str | None = None
    handles: dict[int, bool] = field(default_factory=dict)
    """The descriptors that may write, and whether each has been closed by the program since its last write."""

    @property
    def waits(self) -> bool:
        """Whether it could be uploaded now."""
        return self.dirty and all(self.handles.values())
