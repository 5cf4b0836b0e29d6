"""Tensors that go from an old pack into a new one without ever being in memory whole: read in pieces, and proved.

A tensor that has not changed since the last checkpoint is referenced, and nobody captures it. When the pack that it
lies in is let go, it is read from there; what is not, to the bit, what was written stops the new pack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from ..errors import StoreError
from .damage import damaged
from .digest import RunningDigest
from .header import content_size, read_header
from .manifest import TensorRef
from .pack import Slab
from .pack_file import PackFile
from .pack_stream import PIECE

__all__ = ["Carrier"]


class Carrier:
    """Reads from packs that are there; the header of each is read once."""

    def __init__(self, pack_path: Callable[[str], Path]) -> None:
        self._pack_path = pack_path
        self._starts: dict[str, dict[str, int]] = {}

    def whole(self, slab: Slab, ref: TensorRef | None) -> Slab:
        """The slab with its bytes, from where they lie if it has none itself; StoreError if they lie nowhere."""
        if slab.data is not None:
            return slab
        if ref is None:
            what = f"{slab.key} was not captured, for it had not changed, and its bytes are in no pack any more."
            raise StoreError(what, hint="Capture it whole; the next save may do.")
        return replace(slab, data=partial(self._pieces, ref))

    def _pieces(self, ref: TensorRef) -> Iterator[memoryview]:
        path, left, digest = self._pack_path(ref.pack), ref.nbytes, RunningDigest()
        start = self._start(ref)
        buffer = memoryview(bytearray(min(left, PIECE)))
        with PackFile(path) as file:
            file.seek(start)
            while left and (count := file.fill(buffer[:left])):
                digest.update(buffer[:count])
                left -= count
                yield buffer[:count]
        if digest.value != ref.digest:
            raise damaged(path.name, f"{ref.key!r:.60} is not what was written")

    def _start(self, ref: TensorRef) -> int:
        """Where in the file the tensor begins."""
        if ref.pack not in self._starts:
            path = self._pack_path(ref.pack)
            specs = read_header(path)
            sizes = [content_size(*spec) for spec in specs.values()]
            first = path.stat().st_size - sum(sizes)
            self._starts[ref.pack] = dict(zip(specs, accumulate(sizes, initial=first), strict=False))
        if ref.key not in self._starts[ref.pack]:
            raise damaged(ref.pack, f"it has no tensor {ref.key!r:.60}")
        return self._starts[ref.pack][ref.key]
