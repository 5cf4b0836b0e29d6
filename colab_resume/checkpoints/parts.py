"""The named parts of a checkpoint's state, as its manifest lists them: checked, and read without decoding anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .damage import damaged
from .manifest import Manifest, TensorRef

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True, eq=False)
class Part:
    """One tracked object's state: a tree for `encoding.decode`, whose pieces are `tensors`, the first one number
    `first` of the manifest."""

    name: str
    kind: str
    tree: Mapping[str, Any]
    first: int
    tensors: tuple[TensorRef, ...]

    @property
    def nbytes(self) -> int:
        """The bytes of its tensors."""
        return sum(ref.nbytes for ref in self.tensors)


def parts_of(manifest: Manifest) -> dict[str, Part]:
    """All parts by name; `DamagedCheckpoint` if the manifest's state is something else."""
    state: Any = manifest.state
    return {name: _part(manifest, name, entry) for name, entry in state.items()}


def _part(manifest: Manifest, name: str, entry: Any) -> Part:
    match entry:
        case {"kind": str(kind), "first": int(first), "count": int(count), "tree": dict(tree)}:
            if min(first, count) >= 0 and first + count <= len(manifest.tensors) and name in tree:
                return Part(name, kind, tree, first, manifest.tensors[first : first + count])
    raise damaged(f"Checkpoint {manifest.name}", f"its part {name!r:.60} is not one")
