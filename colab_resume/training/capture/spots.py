"""Where each piece of a state goes in the staging, and how it gets there.

What is written into one pack lies together, in the order that it has there, from a page on: so a disk that takes bytes
straight from memory can take them all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ...checkpoints.digest import digest_of
from ...checkpoints.encoding import Piece
from ...checkpoints.encoding.fresh import raw_bytes
from ...checkpoints.pack import Slab
from ...checkpoints.sharing import fill
from ...checkpoints.store import PACK_BYTES
from .staging import Staging, rounded

__all__ = ["Spot", "copies", "lay_out", "moves"]

_SMALL = 64 << 10
_CHUNK = 4 << 20
_TOGETHER = 1024


class Spot:
    """One piece and the place of its copy.

    `digest`: that of the newest copy, or of the piece itself if nothing had to be copied (`fresh` is False then).
    """

    def __init__(self, piece: Piece, place: int) -> None:
        self.piece = piece
        self.place = place
        self.source = piece.source
        self.key = piece.source.data_ptr(), piece.nbytes
        self.raw = raw_bytes(piece.source)
        self.fresh = True
        self.digest = ""

    def settle(self, staging: Staging) -> None:
        """Know where the copy lies; again whenever the staging has grown."""
        self.staged = staging.view(self.place, self.piece.nbytes)
        target = torch.from_numpy(self.staged)
        self.target = target.view(self.source.dtype).view(self.source.shape) if self.piece.nbytes else target

    def hold(self) -> None:
        """From now on it may be read beside the training, so it keeps its memory: who would resize it gets an error."""
        if self.raw is not None:
            self.source.reshape(-1).view(torch.uint8).numpy()

    def copy(self) -> None:
        """Take all of it."""
        self.fresh = True
        if self.raw is not None:
            np.copyto(self.staged, self.raw)
        elif self.piece.nbytes:
            self.target.copy_(self.source)

    def copy_if_changed(self) -> None:
        """Take it unless it has the bytes that were saved last: to see that costs half of a copy, and no write."""
        if self.raw is None or not self.digest or digest_of(self.raw.data) != self.digest:
            self.copy()
        else:
            self.fresh = False

    def let_go(self) -> None:
        """Know only the copy from now on, so that the memory of the original is free for who it belongs to."""
        self.raw, self.source = None, self.target
        self.piece = replace(self.piece, source=self.target)

    def is_as_copied(self) -> bool:
        """Whether the piece still has the bytes of its copy."""
        live = self.raw if self.raw is not None else raw_bytes(self.source.cpu().contiguous())
        return live is None or digest_of(live.data) == digest_of(self.staged.data)

    def slab(self) -> Slab:
        """What goes into a pack; nothing but a digest if nothing was copied."""
        if self.fresh:
            self.digest = digest_of(self.staged.data)
        data = self.staged.data if self.fresh else None
        return Slab(self.piece.key, self.piece.dtype, self.piece.shape, data, self.digest)


def lay_out(pieces: Sequence[Piece], start: int) -> tuple[list[Spot], int]:
    """A spot for each piece, in the given order, from a page on; and where the last one ends."""
    spots: dict[int, Spot] = {}
    end = start
    for pack in fill([piece.nbytes for piece in pieces], PACK_BYTES):
        end = rounded(end)
        for number in sorted(pack, key=lambda number: -pieces[number].source.element_size()):
            spots[number] = Spot(pieces[number], end)
            end += pieces[number].nbytes
    return [spots[number] for number in range(len(pieces))], end


def copies(spots: Iterable[Spot], *, unmoved: Callable[[Spot], bool]) -> Iterator[Callable[[], None]]:
    """Jobs that take all of these, none of them long."""
    small: list[Spot] = []
    for spot in spots:
        if unmoved(spot):
            yield spot.copy_if_changed
        elif spot.raw is None or spot.raw.nbytes <= _CHUNK:
            if spot.raw is not None and spot.raw.nbytes <= _SMALL:
                small.append(spot)
            else:
                yield spot.copy
        else:
            for begin in range(0, spot.raw.nbytes, _CHUNK):
                yield partial(_copy_part, spot, slice(begin, begin + _CHUNK))
    for begin in range(0, len(small), _TOGETHER):
        yield partial(_copy_together, small[begin : begin + _TOGETHER])


def moves(spots: Iterable[Spot]) -> Iterator[Callable[[], None]]:
    """Jobs that take all of these, which are immutable, and let each go as soon as it is taken."""
    small: list[Spot] = []
    for spot in spots:
        if spot.piece.nbytes <= _SMALL:
            small.append(spot)
        else:
            yield partial(_move, [spot])
    for begin in range(0, len(small), _TOGETHER):
        yield partial(_move, small[begin : begin + _TOGETHER])


def _move(spots: Sequence[Spot]) -> None:
    for spot in spots:
        spot.copy()
        spot.let_go()


def _copy_part(spot: Spot, part: slice) -> None:
    assert spot.raw is not None
    spot.fresh = True
    np.copyto(spot.staged[part], spot.raw[part])


def _copy_together(spots: Sequence[Spot]) -> None:
    """In one call: one for each would take the interpreter from the training again and again."""
    for spot in spots:
        spot.fresh = True
    with torch.no_grad():
        torch._foreach_copy_([spot.target for spot in spots], [spot.source for spot in spots])
