"""The newest good checkpoint, wherever it is: found, fetched, proved, and given out part by part.

Candidates are tried from the newest on. One is good if its manifest is sound and every pack has the sha256 that the
manifest names, on the VM's disk or after a download. Whatever is not good is set aside with its reason and the next
older one is tried. If there are checkpoints and none is good, that is an error, never a silent start from nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast

from .checkpoints.catalog import Catalog
from .checkpoints.encoding import decode
from .checkpoints.manifest import Manifest
from .checkpoints.pack import PackInfo, verify_pack
from .checkpoints.store import Store
from .durable import write_durably
from .errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint, RemoteRefused
from .remotes import Remote
from .training.journal import Mark, journal_parent

__all__ = ["Progress", "Restored", "Search", "find"]

Progress = Callable[[str, int, int], None]
"""Called with what is being read ("download", "verify"), bytes done, and bytes in all."""


@dataclass(frozen=True)
class Restored:
    """A checkpoint that was found good; its packs are on the VM's disk."""

    manifest: Manifest
    store: Store

    def kinds(self) -> Mapping[str, str]:
        """The kind of each part, by name."""
        return {name: part["kind"] for name, part in self._parts().items()}

    def part(self, name: str) -> Any:
        """The state saved under this name, in memory of its own; `DamagedCheckpoint` if it cannot be decoded."""
        try:
            part = self._parts()[name]
            first, refs = part["first"], self.manifest.tensors[part["first"] : part["first"] + part["count"]]
            tree = part["tree"]
        except (KeyError, TypeError, IndexError) as error:
            raise DamagedCheckpoint(f"{name} cannot be read: {error!r}", hint="use an older checkpoint") from error
        read = self.store.reader(self.manifest)
        decoded = decode(tree, [(ref.dtype, ref.shape) for ref in refs], lambda index: read(first + index))
        return decoded[name]

    def _parts(self) -> dict[str, Any]:
        parts = self.manifest.state
        if not isinstance(parts, dict) or not all(isinstance(part, dict) and "kind" in part for part in parts.values()):
            raise DamagedCheckpoint("the checkpoint's state is not a set of parts", hint="use an older checkpoint")
        return parts


@dataclass
class Search:
    """What was found: the good checkpoint if there is one, what was set aside and why, the highest generation seen."""

    good: Restored | None = None
    set_aside: dict[str, str] = field(default_factory=dict)
    generation: int = 0
    seconds: float = 0.0


def find(store: Store, remote: Remote | None, *, progress: Progress) -> Search:
    """Look through store and remote; `RemoteUnavailable` if the remote cannot be asked: it may hold the newest."""
    begin = time.perf_counter()
    search = Search()
    source = _Source(remote) if remote is not None else None
    candidates = _candidates(store, source, search)
    search.generation = max((manifest.generation for manifest in candidates), default=0)
    for manifest in candidates:
        there = source if source is not None and manifest.name in source.catalog.manifests else None
        try:
            _make_good(store, there, manifest, progress)
        except CheckpointError as error:
            _set_aside(store, search, manifest.name, error)
        else:
            search.good = Restored(manifest, store)
            break
    if search.good is None and search.set_aside:
        raise NoGoodCheckpoint(
            "there are checkpoints, but none can be used:\n  " + "\n  ".join(map(": ".join, search.set_aside.items())),
            hint="look with `colab-resume verify`; to begin anew, start a run with another name",
        )
    if search.good is not None and source is not None:
        source.fetch_journals(store, Mark.from_json(search.good.manifest.journal))
    search.seconds = time.perf_counter() - begin
    return search


def _candidates(store: Store, source: _Source | None, search: Search) -> list[Manifest]:
    """Every manifest that can be read, the newest first."""
    manifests = dict(source.catalog.manifests) if source is not None else {}
    unreadable = dict(source.catalog.unreadable) if source is not None else {}
    for name in store.names():
        try:
            manifests[name] = store.read(name)
        except CheckpointError as error:
            unreadable[name] = error
    for name in sorted(unreadable.keys() - manifests.keys()):
        _set_aside(store, search, name, unreadable[name])
    return sorted(manifests.values(), key=lambda manifest: manifest.rank, reverse=True)


def _make_good(store: Store, source: _Source | None, manifest: Manifest, progress: Progress) -> None:
    """See to it that every pack of this checkpoint is on the disk with the right bytes, and then its manifest."""
    lacking = set(store.missing(manifest))
    total = sum(info.size for info in manifest.packs.values())
    done = 0
    for pack, info in manifest.packs.items():
        path = store.pack_path(pack)
        if pack in lacking or not _is_sound(path, info, partial(_shifted, progress, "verify", done, total)):
            if source is None:
                raise _unusable(pack, "is missing" if pack in lacking else "is damaged")
            source.fetch(store, pack, info, partial(_shifted, progress, "download", done, total))
        done += info.size
    if manifest.name not in store.names():
        store.adopt(manifest.to_bytes(), manifest.name)


class _Source:
    """The remote's side of a restore."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.catalog = Catalog(remote)
        self.catalog.refresh()

    def fetch(self, store: Store, pack: str, info: PackInfo, progress: Callable[[int], None]) -> None:
        """Download one pack, going on where an earlier download stopped, and prove it."""
        entry = self.catalog.packs.get(pack)
        if entry is None or entry.size != info.size:
            raise _unusable(pack, "was not uploaded completely")
        try:
            with store.receive(pack) as (sink, offset):
                self.remote.get(f"packs/{pack}", cast("BinaryIO", _Counting(sink, offset, progress)), offset)
            verify_pack(store.pack_path(pack), info)
        except RemoteRefused as error:
            raise _unusable(pack, "cannot be downloaded") from error
        except DamagedCheckpoint:
            store.pack_path(pack).unlink()
            raise

    def fetch_journals(self, store: Store, newest: Mark) -> None:
        """The journals that the history of this checkpoint is made of, where the remote's is longer than ours."""
        sizes = {entry.name: entry.size for entry in self.remote.list("journal")}
        seen: set[str] = set()
        mark: Mark | None = newest
        while mark is not None and mark.session not in seen:
            seen.add(mark.session)
            path = store.journal_path(mark.session)
            name = f"journal/{path.name}"
            if sizes.get(name, 0) > (path.stat().st_size if path.exists() else 0):
                write_durably(path, partial(self.remote.get, name))
            mark = journal_parent(path)


class _Counting(RawIOBase):
    """A sink that tells how far it has come."""

    def __init__(self, sink: BinaryIO, done: int, progress: Callable[[int], None]) -> None:
        self._sink = sink
        self._done = done
        self._progress = progress

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        self._done += len(data)
        self._progress(self._done)
        return len(data)


def _is_sound(path: Path, info: PackInfo, progress: Callable[[int], None]) -> bool:
    try:
        verify_pack(path, info, progress)
    except DamagedCheckpoint:
        return False
    return True


def _shifted(progress: Progress, what: str, before: int, total: int, done: int) -> None:
    progress(what, before + done, total)


def _unusable(pack: str, why: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{pack} {why}", hint="the checkpoint before it is used")


def _set_aside(store: Store, search: Search, name: str, error: CheckpointError) -> None:
    search.set_aside[name] = error.what
    store.set_aside(name, error.what)
