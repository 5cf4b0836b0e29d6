"""The state at one boundary, copied into memory of its own, so that the training may go on at once.

There is one staging area, used again for each snapshot: a snapshot lives until whoever writes it lets it go, and only
then can the next one be taken. Nothing is queued and no second copy is made.
"""

from __future__ import annotations

import threading
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
    staging: Staging

    @property
    def nbytes(self) -> int:
        return sum(len(slab.data) for slab in self.slabs)

    def release(self) -> None:
        """The staging memory may be used again; the slabs are void from now on."""
        self.staging.free.set()


class Staging:
    """The memory snapshots are taken into."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self._memory = torch.empty(0, dtype=torch.uint8)

    def capture(self, parts: Iterable[tuple[str, str, Any]]) -> Snapshot:
        """Copy the state of these parts (name, kind, live state); the staging area must be free.

        Raises `EncodingError` for a value that cannot be stored; nothing is held then.
        """
        state: dict[str, Any] = {}
        pieces: list[Piece] = []
        for name, kind, live in parts:
            encoded = take(name, live)
            state[name] = {"kind": kind, "first": len(pieces), "count": len(encoded.pieces), "tree": encoded.tree}
            pieces += encoded.pieces
        places = _lay_out(pieces)
        self._reserve(places[-1])
        self.free.clear()
        try:
            slabs = tuple(self._copy(piece, place) for piece, place in zip(pieces, places, strict=False))
        except BaseException:
            self.free.set()
            raise
        return Snapshot(state, slabs, self)

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
