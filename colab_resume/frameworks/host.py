"""What a framework's adapter needs of the run that it is attached to."""

from __future__ import annotations

from typing import Any, Protocol

from ..training.loops import Loops

__all__ = ["Host"]


class Host(Protocol):
    """A run, as those who drive its loops for a framework see it."""

    name: str

    @property
    def _loops(self) -> Loops: ...

    def track(self, **objects: Any) -> None:
        """Track these objects; what the checkpoint holds under their names is put into them at once."""
        ...

    def log(self, **metrics: Any) -> None:
        """Add numbers of this step to the history."""
        ...
