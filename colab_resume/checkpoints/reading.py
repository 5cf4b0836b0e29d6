"""The tensors of a checkpoint, in the order of its manifest, from wherever its packs lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .damage import damaged
from .manifest import Manifest
from .pack import PackReader

if TYPE_CHECKING:
    import torch

__all__ = ["tensor_reader"]


def tensor_reader(manifest: Manifest, pack_path: Callable[[str], Path]) -> Callable[[int], torch.Tensor]:
    """What gives the tensor that stands at an index of `manifest.tensors`; each pack is opened once, when needed."""
    readers: dict[str, PackReader] = {}

    def tensor(index: int) -> torch.Tensor:
        if not 0 <= index < len(manifest.tensors):
            raise damaged(f"Checkpoint {manifest.name}", f"it has no tensor number {index}")
        ref = manifest.tensors[index]
        if ref.pack not in readers:
            readers[ref.pack] = PackReader(pack_path(ref.pack))
        if readers[ref.pack].spec(ref.key) != (ref.dtype, ref.shape):
            raise damaged(ref.pack, f"{ref.key!r:.60} is not the tensor that the manifest means")
        return readers[ref.pack].tensor(ref.key)

    return tensor
