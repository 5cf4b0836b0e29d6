"""The tensors of a checkpoint that is being restored, as memory that may be given away.

While the packs are read to be proved, or come from a remote, the tensors land in memory of their own. They are given
out once; for good, a second time, if nobody has changed them meanwhile. Everything else is read from the disk when it
is asked for, and where memory is short, that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .damage import damaged
from .digest import digest_of
from .encoding.fresh import bytes_of, fresh
from .header import Spec
from .manifest import Manifest
from .memory_room import LAST
from .reading import tensor_reader

if TYPE_CHECKING:
    import torch

__all__ = ["RestoredTensors", "fits"]


class RestoredTensors:
    """Those of `manifest`, whose packs are or will be where `pack_path` says."""

    def __init__(self, manifest: Manifest, pack_path: Callable[[str], Path], *, keep: bool) -> None:
        self._refs = manifest.tensors
        self._read = tensor_reader(manifest, pack_path)
        self._given: set[int] = set()
        self._places: dict[str, dict[str, list[int]]] = {}
        for index, ref in enumerate(self._refs):
            self._places.setdefault(ref.pack, {}).setdefault(ref.key, []).append(index)
        # All at once: to ask for memory has to wait for whoever fills some just now.
        first = (indices[0] for keys in self._places.values() for indices in keys.values()) if keep else ()
        self._landed = {index: fresh(self._refs[index].dtype, self._refs[index].shape) for index in first}

    def place(self, pack: str, key: str, spec: Spec) -> memoryview | None:
        """Where a tensor of a pack is to land; None if nobody wants it, or nothing is kept."""
        indices = self._places[pack].get(key, ())
        if any((self._refs[index].dtype, self._refs[index].shape) != spec for index in indices):
            raise damaged(pack, f"{key!r:.60} is not the tensor that the manifest means")
        return bytes_of(self._landed[indices[0]]) if self._landed and indices else None

    def settle(self, pack: str, digests: Mapping[str, str]) -> None:
        """All of a pack has landed, with these digests by key: it must have all that the manifest means."""
        for key, indices in self._places[pack].items():
            if any(self._refs[index].digest != digests.get(key) for index in indices):
                raise damaged(pack, f"{key!r:.60} is not the tensor that the manifest means")
            if self._landed:
                # Equal pieces lie in a pack once, and are different pieces all the same.
                self._landed |= {index: self._landed[indices[0]].clone() for index in indices[1:]}

    def take(self, index: int, *, again: bool) -> torch.Tensor:
        """The tensor at this index of the manifest, in memory that is the caller's.

        `again`: whoever got it before may get the same memory, unless it has other content by now.
        """
        landed = self._landed.get(index)
        if landed is not None and (index not in self._given or (again and self._is_unchanged(index, landed))):
            self._given.add(index)
            return landed
        found = self._read(index)
        if landed is not None:
            # Whoever asks again next has it from here: that of before is somebody else's.
            self._landed[index] = found
        return found

    def let_go_of_given(self) -> None:
        """Leave what was given out to those who have it."""
        self._landed = {index: landed for index, landed in self._landed.items() if index not in self._given}

    def let_go(self) -> None:
        """Keep nothing any more; what was given out stays with those who have it."""
        self._landed.clear()

    def _is_unchanged(self, index: int, landed: torch.Tensor) -> bool:
        return digest_of(bytes_of(landed)) == self._refs[index].digest


def fits(manifest: Manifest, available: int) -> bool:
    """Whether so many bytes are enough for all tensors twice, as they are read and as they are used, and leave some."""
    return 2 * sum(ref.nbytes for ref in manifest.tensors) <= available - LAST
