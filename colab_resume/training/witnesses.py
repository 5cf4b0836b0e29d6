"""The witnesses of the passes that are open, and what a checkpoint holds of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cursor import Cursor, Loop
from .data.witness import Witness

__all__ = ["Witnesses"]


class Witnesses:
    """`saved`: what `state` gave where the training goes on from."""

    def __init__(self, saved: Mapping[str, Any]) -> None:
        self._seen: dict[str, Any] = dict(saved.get("seen", {}))
        self._due: dict[str, Any] = dict(saved.get("coming", {}))
        self._of: dict[Loop, Witness] = {}

    def begin(self, loop: Loop) -> Witness:
        """One for a pass that is begun, or gone on with."""
        seed = str(loop.frame.seed)
        seen, due = self._seen.pop(seed, None), self._due.pop(seed, None)
        self._of[loop] = Witness(seen, due, ahead=bool(loop.ahead))
        return self._of[loop]

    def end(self, loop: Loop) -> None:
        """The pass is over."""
        if loop in self._of:
            self._of.pop(loop).let_go()

    def state(self, cursor: Cursor, *, in_step: bool) -> dict[str, Any]:
        """Plain values. `in_step`: the code trains on the newest items already, and nobody knows what comes next."""
        there = {str(loop.frame.seed): (loop, one) for loop, one in self._of.items() if loop in cursor}
        stepping = {seed: one for seed, (loop, one) in there.items() if cursor.makes_steps(loop) and not in_step}
        return {
            "seen": {seed: one.seen for seed, (_, one) in there.items()},
            "coming": {seed: look for seed, one in stepping.items() if (look := one.coming()) is not None},
        }
