"""Packs: plain safetensors files, written as a stream, hashed on the way, and believed only after a check.

Writing holds no second copy of the data. Within a pack the tensors lie by item size, largest first, and otherwise in
the order given: the format allows any order, but only this one leaves every tensor aligned without holes. Reading goes
through the `safetensors` library, after the header has been held against the file; any flaw is `DamagedCheckpoint`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from safetensors import SafetensorError, safe_open

from ..durable import write_durably
from ..errors import UsageError
from .damage import damaged, unreadable
from .header import INT64_MAX, ITEM_SIZES, Spec, check_key, content_size, header_bytes, read_header

if TYPE_CHECKING:
    import torch

__all__ = ["PackInfo", "PackReader", "Slab", "check_header", "payload_size", "verify_pack", "write_pack"]

# Pieces stay in the processor's cache between the readers of the same bytes, and each is long enough for hashlib to
# be worth letting other threads run meanwhile.
_CHUNK = 4 << 20


@dataclass(frozen=True)
class PackInfo:
    """What a pack must be, byte for byte; both hashes, because a remote answers with either."""

    size: int
    sha256: str
    md5: str

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 8 <= self.size <= INT64_MAX:
            raise UsageError(f"a pack cannot have the size {self.size!r:.60}", hint="Give its size in bytes.")
        for value, digits in ((self.sha256, 64), (self.md5, 32)):
            if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                raise UsageError(f"{value!r:.60} is not a hash of {digits} digits", hint="Give lower-case hex.")


@dataclass(frozen=True, eq=False)
class Slab:
    """One tensor's bytes on their way into a pack; `data` must not change until it is written."""

    key: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview | bytes

    def __post_init__(self) -> None:
        check_key(self.key)
        view, needed = memoryview(self.data), content_size(self.dtype, self.shape)
        if view.nbytes != needed or not view.c_contiguous:
            what = f"{self.key}: {self.dtype}{list(self.shape)} needs {needed} bytes in one piece, not {view.nbytes}"
            raise UsageError(what, hint="Pass the bytes of the whole tensor, contiguous.")

    @property
    def flat(self) -> memoryview:
        """The bytes as one flat view, without a copy."""
        view = memoryview(self.data)
        return view.cast("B") if view.nbytes else memoryview(b"")


def write_pack(path: Path, slabs: Sequence[Slab]) -> PackInfo:
    """Write the slabs as the pack `path`, durably; StoreError, and no file, if the disk refuses."""
    ordered = sorted(slabs, key=lambda slab: -ITEM_SIZES[slab.dtype])
    specs = {slab.key: (slab.dtype, slab.shape) for slab in ordered}
    if len(specs) != len(ordered):
        raise UsageError("two tensors of one pack have the same key", hint="Give each its own key.")
    header = memoryview(header_bytes(specs))

    def stream(sink: BinaryIO) -> PackInfo:
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        for view in (header, *(slab.flat for slab in ordered)):
            for start in range(0, view.nbytes, _CHUNK):
                piece = view[start : start + _CHUNK]
                sink.write(piece)
                sha256.update(piece)
                md5.update(piece)
            size += view.nbytes
        return PackInfo(size, sha256.hexdigest(), md5.hexdigest())

    return write_durably(path, stream)


def verify_pack(path: Path, info: PackInfo, progress: Callable[[int], None] | None = None) -> None:
    """Return only if the file is what `info` says; `progress` is told the number of bytes of each piece read."""
    try:
        size = path.stat().st_size
        if size != info.size:
            raise damaged(path.name, f"it has {size} bytes instead of {info.size}")
        check_header(path)
        sha256 = hashlib.sha256()
        buffer = memoryview(bytearray(min(size, _CHUNK)))
        with path.open("rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                sha256.update(buffer[:count])
                if progress is not None:
                    progress(count)
    except OSError as error:
        raise unreadable(path, error) from error
    if sha256.hexdigest() != info.sha256:
        raise damaged(path.name, "its bytes are not those that were written (sha256 differs)")


def check_header(path: Path) -> None:
    """Return only if the header is sound and describes every byte of the file exactly once."""
    read_header(path)


def payload_size(path: Path) -> int:
    """How many bytes of the pack are tensors."""
    return sum(content_size(dtype, shape) for dtype, shape in read_header(path).values())


class PackReader:
    """The tensors of one pack; each one returned has memory of its own."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._specs = read_header(path)
        try:
            self._file = safe_open(path, framework="pt")
        except SafetensorError as error:
            raise damaged(self._name, str(error)) from error
        except OSError as error:
            raise unreadable(path, error) from error

    def spec(self, key: str) -> Spec:
        """The dtype and the shape of a tensor."""
        if key not in self._specs:
            raise damaged(self._name, f"it has no tensor {key!r:.60}")
        return self._specs[key]

    def tensor(self, key: str) -> torch.Tensor:
        """A tensor on the CPU."""
        self.spec(key)
        try:
            # The library hands out views of one mapping of the file: all tensors would share one storage, and two
            # readers of one key would write into each other.
            tensor: torch.Tensor = self._file.get_tensor(key).clone()
        except SafetensorError as error:
            raise damaged(self._name, str(error)) from error
        return tensor
