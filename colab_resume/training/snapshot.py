"""The state at one boundary, copied into memory of its own, so that the training may go on at once.

There is one staging area, used again for each snapshot: taking one makes the one before it void. So there is never a
second copy; whoever takes snapshots waits until the last one is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from ..checkpoints.encoding import Encoded, Piece, encode
from ..checkpoints.pack import Slab
from ..errors import ColabResumeError, EncodingError

__all__ = ["Snapshot", "Staging", "take"]

_ALIGNMENT = 64


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One captured state. `state` is JSON: for each part its kind, its tree, and which of the slabs are its own."""

    state: dict[str, Any]
    slabs: tuple[Slab, ...]


class Staging:
    """The memory snapshots are taken into."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8)

    def capture(self, parts: Iterable[tuple[str, str, Any]]) -> Snapshot:
        """Copy the state of these parts (name, kind, live state); `EncodingError` if one cannot be stored."""
        state: dict[str, Any] = {}
        pieces: list[Piece] = []
        for name, kind, live in parts:
            encoded = take(name, live)
            state[name] = {"kind": kind, "first": len(pieces), "count": len(encoded.pieces), "tree": encoded.tree}
            pieces += encoded.pieces
        places = _lay_out(pieces)
        self._reserve(places[-1])
        slabs = tuple(self._copy(piece, place) for piece, place in zip(pieces, places, strict=False))
        return Snapshot(state, slabs)

    def _reserve(self, nbytes: int) -> None:
        if self._memory.numel() < nbytes:
            self._memory = torch.empty(0, dtype=torch.uint8)
            self._memory = torch.empty(nbytes, dtype=torch.uint8)

    def _copy(self, piece: Piece, place: int) -> Slab:
        memory = self._memory[place : place + piece.nbytes]
        if piece.nbytes:
            memory.view(piece.source.dtype).view(piece.source.shape).copy_(piece.source)
        return Slab(piece.key, piece.dtype, piece.shape, memory.numpy().data)


def take(name: str, live: Any) -> Encoded:
    """The state of one part as a tree and live tensors; `EncodingError` if that is not possible."""
    try:
        with torch.no_grad():
            return encode({name: live})
    except ColabResumeError:
        raise
    except Exception as error:
        raise EncodingError(
            f"the state of {name} could not be taken: {error!r}", hint=f"look at the state_dict of {name}"
        ) from error


def _lay_out(pieces: list[Piece]) -> list[int]:
    """Where each piece begins, and at the end the size of the whole."""
    places = [0]
    for piece in pieces:
        places.append(places[-1] + -(-piece.nbytes // _ALIGNMENT) * _ALIGNMENT)
    return places
