"""One captured state on its way to the writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...checkpoints.pack import Slab
from .late import Late
from .spots import Spot

__all__ = ["Snapshot"]


class Snapshot:
    """The state at one boundary. `state` is JSON: for each part its kind, its tree, and which slabs are its own.

    `holds_training`: its slabs are live memory, so nothing may change before they are written.
    """

    def __init__(
        self,
        state: dict[str, Any],
        make_slabs: Callable[[], tuple[Slab, ...]],
        *,
        late: Late | None = None,
        disturbed: Callable[[Sequence[Spot]], None] | None = None,
        holds_training: bool = False,
    ) -> None:
        self.state = state
        self.holds_training = holds_training
        self._make_slabs = make_slabs
        self._late = late
        self._disturbed = disturbed

    def slabs(self) -> tuple[Slab, ...] | None:
        """Wait until everything is copied; None if something had changed before it was."""
        changed = self._late.changed() if self._late is not None else []
        if changed and self._disturbed is not None:
            self._disturbed(changed)
        return None if changed else self._make_slabs()
