"""A checkpoint as one file that other tools read: safetensors, or what `torch.load(..., weights_only=True)` takes.

Every tensor is proved while it is read. The file appears whole or not at all. What it cannot hold is an
error that names the value, except that safetensors files leave out what is no tensor, and say how much that was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from ..checkpoints.damage import damaged
from ..checkpoints.encoding import decode
from ..checkpoints.manifest import Manifest
from ..checkpoints.pack import write_pack
from ..checkpoints.parts import Part, parts_of
from ..checkpoints.reading import tensor_reader
from ..durable import write_durably
from ..errors import UsageError
from .plain import plain
from .slabs import slabs_of

__all__ = ["Export", "Exported"]

_SAFETENSORS = ".safetensors"
_TORCH = (".pt", ".pth")


@dataclass(frozen=True)
class Exported:
    """What was written, and how many values of which parts were left out."""

    size: int
    left_out: Mapping[str, int] = field(default_factory=dict)


class Export:
    """A file to write, and the parts that go into it: all, if none is named. Refuses a file that is there already."""

    def __init__(self, out: Path, *, parts: tuple[str, ...] = (), overwrite: bool = False) -> None:
        if out.suffix not in (_SAFETENSORS, *_TORCH):
            raise UsageError(f"{out} names no known kind of file", hint="call it name.safetensors, name.pt or name.pth")
        if out.is_dir() or not out.parent.is_dir():
            what = f"{out} is a folder" if out.is_dir() else f"there is no folder {out.parent}"
            raise UsageError(what, hint="give the path of a new file in a folder that exists")
        if out.exists() and not overwrite:
            raise UsageError(f"{out} exists", hint="choose another name, or replace it with --force")
        self._out = out
        self._wanted = tuple(dict.fromkeys(parts))

    def size(self, manifest: Manifest) -> int:
        """How many bytes are to be proved."""
        return sum(part.nbytes for part in self._parts(manifest))

    def packs(self, manifest: Manifest) -> list[str]:
        """Where these bytes lie."""
        return list(dict.fromkeys(ref.pack for part in self._parts(manifest) for ref in part.tensors))

    def write(self, manifest: Manifest, pack_path: Callable[[str], Path], progress: Callable[[int], None]) -> Exported:
        """Read and prove the tensors, of which `progress` is told how many bytes they have, and write the file."""
        read = tensor_reader(manifest, pack_path, progress)
        states = {part.name: _state(part, read) for part in self._parts(manifest)}
        left_out = self._write_tensors(states) if self._out.suffix == _SAFETENSORS else self._write_plain(states)
        return Exported(self._out.stat().st_size, left_out)

    def _parts(self, manifest: Manifest) -> list[Part]:
        there = parts_of(manifest)
        if missing := [name for name in self._wanted if name not in there]:
            raise UsageError(f"{manifest.name} has no part {missing[0]!r}", hint=f"its parts are: {', '.join(there)}")
        return [there[name] for name in self._wanted or there]

    def _write_tensors(self, states: Mapping[str, Any]) -> Mapping[str, int]:
        slabs, left_out = slabs_of(states, bare=len(self._wanted) == 1)
        write_pack(self._out, slabs)
        return left_out

    def _write_plain(self, states: Mapping[str, Any]) -> Mapping[str, int]:
        converted = plain(states)
        content = converted[self._wanted[0]] if len(self._wanted) == 1 else converted
        write_durably(self._out, lambda sink: _save(content, sink))
        return {}


def _state(part: Part, read: Callable[[int], torch.Tensor]) -> Any:
    specs = [(ref.dtype, ref.shape) for ref in part.tensors]
    # An enum whose class is not defined here is its value, as all enums are in the end.
    decoded = decode(
        part.tree, specs, lambda index: read(part.first + index), enums=lambda _, value: value, devices=False
    )
    if part.name not in decoded:
        raise damaged(f"The part {part.name!r:.60}", "its tree is that of another one")
    return decoded[part.name]


def _save(content: Any, sink: BinaryIO) -> None:
    watched = _Watched(sink)
    try:
        torch.save(content, cast(BinaryIO, watched))
    except RuntimeError:
        # A full disk comes out of torch as an error about its own archive.
        if watched.error is None:
            raise
        raise watched.error from None


class _Watched(RawIOBase):
    """A sink that remembers what the disk said."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        try:
            return self._sink.write(data)
        except OSError as error:
            self.error = error
            raise
