"""Packs from a remote: downloaded, going on where an earlier download stopped, and proved before they count."""

from __future__ import annotations

from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import DamagedCheckpoint, RemoteRefused
from ..remotes import Remote
from .pack import PackInfo, verify_pack
from .store import Store

__all__ = ["fetch_pack", "is_sound"]


def is_sound(path: Path, info: PackInfo, progress: Callable[[int], None]) -> bool:
    """Whether the pack at `path` is, to the bit, what `info` says; `progress` is told how many bytes more were read."""
    try:
        verify_pack(path, info, progress)
    except DamagedCheckpoint:
        return False
    return True


def fetch_pack(remote: Remote, store: Store, pack: str, info: PackInfo, progress: Callable[[int], None]) -> int:
    """Bring one pack into the store; returns how many bytes came. `DamagedCheckpoint` if it is not what `info` says.

    `progress` is told of every byte twice: when it has come, and when it has been read back to be proved.
    """
    with store.receive(pack) as (sink, offset):
        progress(offset)
        counting = _Counting(sink, progress)
        try:
            remote.get(f"packs/{pack}", cast("BinaryIO", counting), offset)
        except RemoteRefused as error:
            raise DamagedCheckpoint(error.what, hint=error.hint) from error
    try:
        verify_pack(store.pack_path(pack), info, progress)
    except DamagedCheckpoint:
        # It must not stay: under its final name it would be taken for a pack that only rotted later.
        store.pack_path(pack).unlink()
        raise
    return counting.passed


class _Counting(RawIOBase):
    """Passes bytes on, and tells how many."""

    def __init__(self, sink: BinaryIO, progress: Callable[[int], None]) -> None:
        self._sink = sink
        self._progress = progress
        self.passed = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self._progress(len(data))
        self.passed += len(data)
        return len(data)
