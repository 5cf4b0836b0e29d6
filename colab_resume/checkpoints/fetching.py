"""Packs from a remote: proved while they come, and kept or not; a download goes on where an earlier one stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..errors import DamagedCheckpoint, NotThere, Overtaken
from ..remotes import Remote
from .pack import PackInfo
from .pack_file import PackFile, advance, read_pack
from .pack_stream import PackStream, Place, nowhere
from .store import Store

__all__ = ["Fetched", "fetch_pack", "prove_pack", "sound_pack"]


@dataclass(frozen=True)
class Fetched:
    """A pack that was proved: the digests of its tensors by key, and how many bytes of it came just now."""

    digests: Mapping[str, str]
    came: int


def sound_pack(
    path: Path, info: PackInfo, *, progress: Callable[[int], None], place: Place = nowhere
) -> Fetched | None:
    """The pack at `path`, if it is there and, to the bit, what `info` says; nothing of it has to come.

    `progress` is told how many bytes more were read.
    """
    try:
        return Fetched(read_pack(path, info, place=place, progress=progress).digests, 0)
    except DamagedCheckpoint:
        return None


def fetch_pack(
    remote: Remote,
    store: Store,
    pack: str,
    info: PackInfo,
    *,
    progress: Callable[[int], None],
    place: Place = nowhere,
    again: bool = True,
) -> Fetched:
    """Bring one pack into the store; `DamagedCheckpoint` if it is not there, or not what `info` says, also `again`.

    What else the remote refuses says nothing about the pack, and comes out as it is. `progress` is told of every byte
    that came, and of those that an earlier download had left.
    """
    arrival = _Arrival(PackStream(pack, info, place), progress)
    try:
        with store.receive(pack) as (sink, offset):
            arrival.begin(sink, store.unfinished_path(pack), offset)
            remote.get(f"packs/{pack}", cast("BinaryIO", arrival), offset)
            arrival.stream.end()
    except NotThere as error:
        raise DamagedCheckpoint(error.what, hint=error.hint) from error
    except (DamagedCheckpoint, Overtaken):
        # What is no pack must not be added to.
        store.unfinished_path(pack).unlink(missing_ok=True)
        if not again:
            raise
        # The way here may be to blame, or what an earlier download had left.
        fetched = fetch_pack(remote, store, pack, info, progress=progress, place=place, again=False)
        return replace(fetched, came=arrival.came + fetched.came)
    return Fetched(arrival.stream.digests, arrival.came)


def prove_pack(remote: Remote, pack: str, info: PackInfo, *, progress: Callable[[int], None]) -> None:
    """Read one pack and keep nothing of it; `DamagedCheckpoint` if it is not what `info` says."""
    passing = _Passing(PackStream(pack, info), progress)
    try:
        remote.get(f"packs/{pack}", cast("BinaryIO", passing))
    except NotThere as error:
        raise DamagedCheckpoint(error.what, hint=error.hint) from error
    passing.stream.end()


class _Passing(RawIOBase):
    """Where a pack's bytes go past the stream that proves them."""

    def __init__(self, stream: PackStream, progress: Callable[[int], None]) -> None:
        self.stream = stream
        self.came = 0
        self._progress = progress

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.stream.feed(data)
        self._progress(len(data))
        self.came += len(data)
        return len(data)


class _Arrival(_Passing):
    """The same on their way to the disk."""

    resumed = False

    def begin(self, sink: BinaryIO, path: Path, offset: int) -> None:
        """Bytes go to `sink` from now on; the first `offset` ones are at `path` already."""
        self._sink = sink
        if offset:
            with PackFile(path) as file:
                advance(file, self.stream, min(offset, file.size, self.stream.left), self._progress)

    def write(self, data: Any) -> int:
        self._sink.write(data)
        return super().write(data)
