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
    came, resumed = _download(remote, store, pack, progress)
    try:
        verify_pack(store.pack_path(pack), info, progress)
    except DamagedCheckpoint:
        # It must not stay: under its final name it would be taken for a pack that only rotted later.
        store.pack_path(pack).unlink()
        if not resumed:
            raise
        # What an earlier download had left may be to blame.
        return came + fetch_pack(remote, store, pack, info, progress)
    return came


def _download(remote: Remote, store: Store, pack: str, progress: Callable[[int], None]) -> tuple[int, bool]:
    """How many bytes came, and whether they went on from an earlier download."""
    with store.receive(pack) as (sink, offset):
        progress(offset)
        counting = _Counting(sink, progress)
        try:
            remote.get(f"packs/{pack}", cast("BinaryIO", counting), offset)
        except RemoteRefused as error:
            raise DamagedCheckpoint(error.what, hint=error.hint) from error
    return counting.passed, offset > 0


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
