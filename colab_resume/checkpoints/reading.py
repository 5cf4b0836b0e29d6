"""The tensors of a checkpoint, in the order of its manifest, from wherever its packs lie: one by one, as asked for.

Each is read straight into memory of its own and proved by that: what does not have the digest that the manifest names
is `DamagedCheckpoint`. Nothing else of the pack is read but its header, and that once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from .damage import damaged
from .digest import RunningDigest
from .header import Spec, content_size, header_length, parse_header
from .manifest import Manifest, TensorRef
from .pack_file import PackFile
from .pack_stream import PIECE

if TYPE_CHECKING:
    import torch

__all__ = ["tensor_reader"]


def tensor_reader(
    manifest: Manifest, pack_path: Callable[[str], Path], progress: Callable[[int], None] | None = None
) -> Callable[[int], torch.Tensor]:
    """What gives the tensor that stands at an index of `manifest.tensors`; `progress` is told how many bytes it has."""
    packs: dict[str, _Pack] = {}

    def tensor(index: int) -> torch.Tensor:
        if not 0 <= index < len(manifest.tensors):
            raise damaged(f"Checkpoint {manifest.name}", f"it has no tensor number {index}")
        ref = manifest.tensors[index]
        if ref.pack not in packs:
            packs[ref.pack] = _Pack(pack_path(ref.pack))
        found = packs[ref.pack].tensor(ref)
        if progress is not None:
            progress(ref.nbytes)
        return found

    return tensor


class _Pack:
    """Where each tensor of a pack begins. The file is opened for each anew, so that nobody has to close it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[Spec, int]] = {}
        with PackFile(path) as file:
            length = header_length(_read(file, 8), file.size, path.name)
            place = 8 + length
            for key, spec in parse_header(_read(file, length), file.size - place, path.name).items():
                self._places[key] = spec, place
                place += content_size(*spec)

    def tensor(self, ref: TensorRef) -> torch.Tensor:
        from .encoding.fresh import bytes_of, fresh

        spec, place = self._places.get(ref.key, (None, 0))
        if spec != (ref.dtype, ref.shape):
            raise damaged(ref.pack, f"{ref.key!r:.60} is not the tensor that the manifest means")
        found = fresh(*spec)
        left, digest = bytes_of(found), RunningDigest()
        with PackFile(self._path) as file:
            file.seek(place)
            while count := file.fill(left[:PIECE]):
                digest.update(left[:count])
                left = left[count:]
        if digest.value != ref.digest:
            raise damaged(ref.pack, f"the bytes of {ref.key!r:.60} are not those that were written (another digest)")
        return found


def _read(file: PackFile, count: int) -> bytes:
    text = bytearray(count)
    return bytes(text[: file.fill(memoryview(text))])
