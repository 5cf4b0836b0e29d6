"""One captured state on its way to the writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from ...checkpoints.pack import Slab
from .late import Late
from .portion import Portion
from .spots import Spot

__all__ = ["Snapshot"]


class Snapshot:
    """The state at one boundary.

    `holds_training`: its slabs are live memory, so nothing may change before they are written.
    """

    def __init__(
        self,
        portions: Sequence[Portion],
        make_slabs: Callable[[], tuple[Slab, ...]],
        *,
        late: Late | None = None,
        disturbed: Callable[[Sequence[Spot]], None] | None = None,
        holds_training: bool = False,
    ) -> None:
        self._portions = portions
        self.holds_training = holds_training
        self._make_slabs = make_slabs
        self._late = late
        self._disturbed = disturbed

    @property
    def state(self) -> dict[str, Any]:
        """As JSON: for each part its kind, its tree, and which slabs are its own."""
        ends = accumulate(portion.count for portion in self._portions)
        return {
            one.name: {"kind": one.kind, "first": end - one.count, "count": one.count, "tree": one.encoded.tree}
            for one, end in zip(self._portions, ends, strict=True)
        }

    def slabs(self) -> tuple[Slab, ...] | None:
        """Wait until everything is copied; None if something had changed before it was."""
        changed = self._late.changed() if self._late is not None else []
        if changed and self._disturbed is not None:
            self._disturbed(changed)
        return None if changed else self._make_slabs()
