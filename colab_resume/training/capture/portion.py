"""One part's share in a snapshot: its tree is made at the boundary, or, where nothing of it can change, later."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ...checkpoints.encoding import Encoded
from .live import LiveState, Trees, take

__all__ = ["Portion"]

_IMMUTABLE = frozenset((type(None), bool, int, float, complex, str, bytes))


class Portion:
    """Of one boundary, at which it is made; `trees` has those of the last one.

    `is_settled`: what it consists of is nobody's but its own, so it needs no copy, and its tree is made when it is
    asked for.
    """

    def __init__(self, live: LiveState, trees: Trees) -> None:
        self.name, self.kind = live.name, live.kind
        self.is_steady = live.looks is not None
        self.is_settled = live.is_settled
        self._value = live.value
        if self.is_steady:
            self.encoded = trees.encoded(live)
        elif not self.is_settled:
            self._begin(live.value())

    def _begin(self, value: Any) -> None:
        if _is_flat(value):
            copy = dict(value)
            self._value, self.is_settled = lambda: copy, True
        else:
            self.encoded = take(self.name, value)

    @cached_property
    def encoded(self) -> Encoded:
        """Tree and pieces; `EncodingError` if that is not possible."""
        return take(self.name, self._value())

    @cached_property
    def count(self) -> int:
        """How many pieces it has."""
        return len(self.encoded.pieces)

    def let_go(self) -> None:
        """Keep the tree alone: what the pieces look at may be free once it is copied."""
        _ = self.count
        self.encoded = Encoded(self.encoded.tree, ())


def _is_flat(value: Any) -> bool:
    """Whether a copy of this dict shares nothing with it that can change."""
    return type(value) is dict and all(type(item) in _IMMUTABLE for item in value.values())
