"""Packs: plain safetensors files, written as a stream, past the page cache.

Writing holds no second copy of the data and reads none of it: what goes into a pack has its digest already. Within a
pack the tensors lie by item size, largest first, and otherwise in the order given: the format allows any order, but
only this one leaves every tensor aligned without holes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ..errors import UsageError
from .digest import RunningDigest, is_digest
from .direct import write_file
from .header import INT64_MAX, ITEM_SIZES, check_key, content_size, header_bytes
from .spares import Spares

__all__ = ["PackInfo", "Slab", "write_pack"]


@dataclass(frozen=True)
class PackInfo:
    """What a pack must be, byte for byte.

    `digest` is that of the file's beginning up to the end of the header, followed by the digests of the tensors in the
    order in which they lie there.
    """

    size: int
    digest: str

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 8 <= self.size <= INT64_MAX:
            raise UsageError(f"a pack cannot have the size {self.size!r:.60}", hint="Give its size in bytes.")
        _check_digest(self.digest)


@dataclass(frozen=True, eq=False)
class Slab:
    """One tensor's bytes on their way into a pack, and their digest.

    `data` must not change until it is written. Where memory is short it is a function that gives the bytes stretch by
    stretch, each one void when the next is asked for. It is None for what can only be referenced.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview | bytes | Callable[[], Iterable[memoryview]] | None
    digest: str

    def __post_init__(self) -> None:
        check_key(self.key)
        _check_digest(self.digest)
        needed = self.nbytes
        if not isinstance(self.data, memoryview | bytes):
            return
        view = memoryview(self.data)
        if view.nbytes != needed or not view.c_contiguous:
            what = f"{self.key}: {self.dtype}{list(self.shape)} needs {needed} bytes in one piece, not {view.nbytes}"
            raise UsageError(what, hint="Pass the bytes of the whole tensor, contiguous.")

    @property
    def nbytes(self) -> int:
        """The bytes of its content."""
        return content_size(self.dtype, self.shape)

    def views(self) -> Iterable[memoryview]:
        """The bytes as flat views, without a copy; each must be used before the next is asked for."""
        if self.data is None:
            raise UsageError(f"the bytes of {self.key} are not at hand", hint="Capture it again, whole.")
        if not isinstance(self.data, memoryview | bytes):
            return self.data()
        view = memoryview(self.data)
        return (view.cast("B"),) if view.nbytes else ()


def write_pack(path: Path, slabs: Sequence[Slab], *, spares: Spares | None = None) -> PackInfo:
    """Write the slabs as the pack `path`, durably, out of a spare if there is one; StoreError, and no file, if the disk
    refuses."""
    ordered = sorted(slabs, key=lambda slab: -ITEM_SIZES[slab.dtype])
    specs = {slab.key: (slab.dtype, slab.shape) for slab in ordered}
    if len(specs) != len(ordered):
        raise UsageError("two tensors of one pack have the same key", hint="Give each its own key.")
    header = header_bytes(specs)
    info = _info(header, ordered)

    def views() -> Iterable[memoryview]:
        return chain([memoryview(header)], chain.from_iterable(slab.views() for slab in ordered))

    if spares is None:
        write_file(path, views())
    else:
        spares.write(path, info.size, views)
    return info


def _info(header: bytes, ordered: Sequence[Slab]) -> PackInfo:
    digest = RunningDigest()
    digest.update(header)
    for slab in ordered:
        digest.update_digest(slab.digest)
    return PackInfo(len(header) + sum(slab.nbytes for slab in ordered), digest.value)


def _check_digest(value: object) -> None:
    if not is_digest(value):
        raise UsageError(f"{value!r:.60} is not a digest", hint="Give 32 digits in lower-case hex.")
