"""A pack's bytes on their way past: checked while they are read for something else, so that nothing is read twice.

Whoever reads a pack, downloads it or sends it hands the bytes over in file order, in pieces of any size. Each piece is
hashed while it is in the processor's cache and, if somebody wants the tensor it belongs to, put into that one's memory.
What a header says is believed only as far as the size of the pack allows; at the end every byte was covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from .damage import damaged
from .digest import RunningDigest
from .header import Spec, content_size, header_length, parse_header
from .pack import PackInfo

__all__ = ["PIECE", "PackStream", "Place", "nowhere"]

PIECE = 1 << 20
"""So much stays in the cache between two readers of the same bytes, and lets other threads run while it is hashed."""

_WORTH_A_READ = 128 << 10

Place: TypeAlias = Callable[[str, Spec], memoryview | None]
"""Gives the memory of bytes that a tensor, by key and spec, is to be put into; None if nobody wants it."""


def nowhere(key: str, spec: Spec) -> memoryview | None:  # noqa: ARG001 - the shape of Place
    """Nobody wants any tensor."""
    return None


class PackStream:
    """One pass over the pack `name`, which should be `info`."""

    def __init__(self, name: str, info: PackInfo, place: Place = nowhere) -> None:
        self._name = name
        self._info = info
        self._place = place
        self._whole = RunningDigest()
        self._regions = self._all_regions()
        self._region: _Region | None = next(self._regions)
        self.position = 0
        """How many bytes have come."""
        self.specs: dict[str, Spec] = {}
        """What the header lists, in file order, once it has come."""
        self.digests: dict[str, str] = {}
        """Those of the tensors that have come whole."""

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self._info.size - self.position

    def feed(self, data: memoryview | bytes) -> None:
        """The next bytes; DamagedCheckpoint as soon as it is clear that they cannot be those of a pack."""
        view = memoryview(data).cast("B")
        if view.nbytes > self.left:
            raise damaged(self._name, f"it has more than {self._info.size} bytes")
        while view.nbytes and self._region is not None:
            piece = view[: min(PIECE, self._region.left)]
            self._region.take(piece)
            self._note(piece.nbytes)
            view = view[piece.nbytes :]

    def room(self) -> memoryview | None:
        """The memory that the next bytes belong into, if it is worth reading into it; then tell `took`, else `feed`."""
        room = self._region.room() if self._region is not None else None
        return room if room is not None and room.nbytes >= _WORTH_A_READ else None

    def took(self, count: int) -> None:
        """So many of the next bytes are in `room` now."""
        if self._region is not None:
            self._region.took(count)
            self._note(count)

    def end(self) -> None:
        """Return only if all that has come is, to the bit, the pack."""
        if self.left:
            raise damaged(self._name, f"it has {self.position} bytes instead of {self._info.size}")
        if self._whole.value != self._info.digest:
            raise damaged(self._name, "its bytes are not those that were written (another digest)")

    def _note(self, count: int) -> None:
        self.position += count
        if self._region is not None and not self._region.left:
            self._region = next(self._regions, None)

    def _all_regions(self) -> Iterator[_Region]:
        """The parts of the file, one after the other; each is full when the next is asked for."""
        first = bytearray(8)
        yield _Region(8, memoryview(first), self._whole)
        length = header_length(bytes(first), self._info.size, self._name)
        text = bytearray(length)
        if text:
            yield _Region(length, memoryview(text), self._whole)
        self.specs = parse_header(bytes(text), self._info.size - 8 - length, self._name)
        for key, spec in self.specs.items():
            region = _Region(content_size(*spec), self._place(key, spec), RunningDigest())
            if region.left:
                yield region
            self.digests[key] = region.digest.value
            self._whole.update_digest(self.digests[key])


class _Region:
    """A part of the file that has a digest and perhaps a place in memory."""

    def __init__(self, size: int, memory: memoryview | None, digest: RunningDigest) -> None:
        self.left = size
        self.digest = digest
        self._free = memory

    def take(self, piece: memoryview) -> None:
        if self._free is not None:
            self._free[: piece.nbytes] = piece
            self._free = self._free[piece.nbytes :]
        self.digest.update(piece)
        self.left -= piece.nbytes

    def room(self) -> memoryview | None:
        return None if self._free is None else self._free[:PIECE]

    def took(self, count: int) -> None:
        if self._free is not None:
            self.digest.update(self._free[:count])
            self._free = self._free[count:]
            self.left -= count
