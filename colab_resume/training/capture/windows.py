"""Capturing where memory is short: nothing is copied as a whole, and the training waits until all is written.

What lies on the CPU in one stretch is written from where it is; the rest goes through a window of a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch

from ...checkpoints.digest import RunningDigest
from ...checkpoints.encoding import Piece
from ...checkpoints.encoding.fresh import raw_bytes
from ...checkpoints.pack import Slab
from .staging import Staging

__all__ = ["Windows"]

_WINDOW = 8 << 20


class Windows:
    """Over the pieces of these parts; nothing of them may change while slabs are made and used."""

    def __init__(self, parts: Sequence[tuple[Piece, ...]]) -> None:
        self._pieces = list(chain.from_iterable(parts))
        self._window = Staging()

    def slabs(self) -> tuple[Slab, ...]:
        """Each is read once for its digest, and once more if it has to be written."""
        self._window.reserve(_WINDOW, pinned=False)
        return tuple(map(self._slab, self._pieces))

    def _slab(self, piece: Piece) -> Slab:
        raw = raw_bytes(piece.source)
        data: memoryview | Callable[[], Iterable[memoryview]]
        data = raw.data if raw is not None else partial(_stretches, piece.source, self._window.view(0, _WINDOW))
        digest = RunningDigest()
        for view in (data,) if isinstance(data, memoryview) else data():
            digest.update(view)
        return Slab(piece.key, piece.dtype, piece.shape, data, digest.value)


def _stretches(source: torch.Tensor, window: np.ndarray[Any, np.dtype[np.uint8]]) -> Iterator[memoryview]:
    """The bytes of a tensor in row-major order, each stretch of them copied over the one before."""
    nbytes = source.numel() * source.element_size()
    if nbytes <= window.nbytes:
        if nbytes:
            torch.from_numpy(window[:nbytes]).view(source.dtype).view(source.shape).copy_(source)
            yield window[:nbytes].data
        return
    rows = max(1, window.nbytes // (nbytes // source.shape[0]))
    for begin in range(0, source.shape[0], rows):
        part = source[begin : begin + rows]
        yield from _stretches(part if rows > 1 else part[0], window)
