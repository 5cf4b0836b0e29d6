"""The newest good checkpoint, wherever it is: found, fetched, proved, and given out part by part.

Candidates are tried from the newest on. One is good if its manifest is sound and every pack has the digest that the
manifest names, on the VM's disk or while it is downloaded. Whatever is not good is set aside with its reason and the
next older one is tried. If there are checkpoints and none is good, that is an error, never a silent start from nothing.

Each byte is read once: what proves a pack puts its tensors into the memory in which they are given out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

from .checkpoints import memory_room
from .checkpoints.abreast import Tell, abreast
from .checkpoints.catalog import Catalog
from .checkpoints.collector import at_rest
from .checkpoints.encoding import decode
from .checkpoints.fetching import fetch_pack, sound_pack
from .checkpoints.manifest import Manifest
from .checkpoints.names import whole_journals
from .checkpoints.pack import PackInfo
from .checkpoints.parts import parts_of
from .checkpoints.store import Store
from .checkpoints.tensors import RestoredTensors, fits
from .durable import write_durably
from .errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint, NotThere
from .remotes import Entry, Remote
from .training.journal import Mark, journal_parent

__all__ = ["Progress", "Restored", "Search", "find"]

_AT_A_TIME = 4
"""Packs: a network has gaps to fill, and so has a disk, also where there are fewer cores to prove what comes."""

_LOOKS = 5
"""As often a run is looked at whose checkpoints are let go while they are fetched."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opened with what is being done and the bytes in all; what it gives is told how many bytes more are done."""


class Restored:
    """A checkpoint that was found good; its packs are on the VM's disk, its `tensors` perhaps in memory already."""

    def __init__(self, manifest: Manifest, store: Store, tensors: RestoredTensors | None = None) -> None:
        self.manifest = manifest
        self._tensors = tensors or RestoredTensors(manifest, store.pack_path, keep=False)

    def kinds(self) -> Mapping[str, str]:
        """The kind of each part, by name."""
        return {name: part.kind for name, part in parts_of(self.manifest).items()}

    def part(self, name: str, *, again: bool = False) -> Any:
        """The state saved under this name, in memory of its own; `DamagedCheckpoint` if it cannot be decoded.

        `again`: it is for those who got it before, and may have the memory that they got, as far as it still holds it.
        """
        part = parts_of(self.manifest)[name]
        specs = [(ref.dtype, ref.shape) for ref in part.tensors]
        return decode(part.tree, specs, lambda index: self._tensors.take(part.first + index, again=again))[name]

    def let_go_of_given(self) -> None:
        """Nobody asks again for what was given out; what nobody has asked for yet stays at hand."""
        self._tensors.let_go_of_given()

    def let_go(self) -> None:
        """Free what nobody has taken; parts can still be asked for, and are then read from the disk."""
        self._tensors.let_go()


@dataclass
class Search:
    """What was found: the good checkpoint if there is one, what was set aside and why, the highest generation seen."""

    good: Restored | None = None
    set_aside: dict[str, str] = field(default_factory=dict)
    generation: int = 0
    seconds: float = 0.0
    on_remote: int = 0
    """The bytes of all packs that the remote has of this run."""


def find(
    store: Store, remote: Remote | None, *, progress: Progress, room: Callable[[], int] = memory_room.room
) -> Search:
    """Look through store and remote. If there is `room` in memory, the tensors are kept as they were read.

    Raises `RemoteUnavailable` if the remote cannot be asked, since it may hold the newest; `NoGoodCheckpoint` if there
    are checkpoints and none is good; `CheckpointError` if one is of a later format.
    """
    begin = time.perf_counter()
    for _ in range(_LOOKS):
        source = _Source(remote) if remote is not None else None
        search = _first_good(store, source, progress, room)
        if source is None or not source.lets_go(search.set_aside):
            break
    if search.good is None and search.set_aside:
        raise NoGoodCheckpoint(
            "there are checkpoints, but none can be used:\n  " + "\n  ".join(map(": ".join, search.set_aside.items())),
            hint="look with `colab-resume verify`; to begin anew, start a run with another name",
        )
    # Only now: while nothing is good, all must stay where it is, lest the next start find nothing and begin anew.
    for name, reason in search.set_aside.items():
        store.set_aside(name, reason)
    if search.good is not None and source is not None:
        source.fetch_journals(store, Mark.from_json(search.good.manifest.journal))
    search.seconds = time.perf_counter() - begin
    return search


def _first_good(store: Store, source: _Source | None, progress: Progress, room: Callable[[], int]) -> Search:
    search = Search()
    search.on_remote = sum(entry.size for entry in source.catalog.packs.values()) if source is not None else 0
    candidates = _candidates(store, source, search)
    search.generation = max((manifest.generation for manifest in candidates), default=0)
    for manifest in candidates:
        try:
            tensors = RestoredTensors(manifest, store.pack_path, keep=fits(manifest, room()))
            _make_good(store, source, manifest, tensors, progress)
            search.good = Restored(manifest, store, tensors)
        except CheckpointError as error:
            search.set_aside[manifest.name] = error.what
        else:
            break
    return search


@at_rest()
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
        if not isinstance(unreadable[name], DamagedCheckpoint):
            raise unreadable[name]  # of a later version: not damage, and to go on from an older one would fork the run
        search.set_aside[name] = unreadable[name].what
    return sorted(manifests.values(), key=lambda one: (one.rank, one.created, one.name), reverse=True)


def _make_good(
    store: Store, source: _Source | None, manifest: Manifest, tensors: RestoredTensors, progress: Progress
) -> None:
    """See to it that every pack of this checkpoint is on the disk with the right bytes, and then its manifest."""
    lacking = set(store.missing(manifest))

    def make_good(pack: str, info: PackInfo, tell: Tell) -> None:
        path, place = store.pack_path(pack), partial(tensors.place, pack)
        found = None if pack in lacking else sound_pack(path, info, progress=tell, place=place)
        if found is None:
            if source is None or not source.has(pack, info):
                raise _unusable(pack, "is not there as a whole" if pack in lacking else "is damaged")
            found = fetch_pack(source.remote, store, pack, info, progress=tell, place=place)
        tensors.settle(pack, found.digests)

    with progress(f"restore step {manifest.step}", sum(info.size for info in manifest.packs.values())) as advance:
        jobs = [partial(make_good, pack, info) for pack, info in manifest.packs.items()]
        abreast(jobs, advance, what="restore", at_a_time=_AT_A_TIME)
    if source is not None and not _is_readable(store, manifest.name):
        store.adopt(source.manifest_bytes(manifest.name), manifest.name)


class _Source:
    """The remote's side of a restore."""

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.catalog = Catalog(remote)
        self.catalog.refresh()

    def has(self, pack: str, info: PackInfo) -> bool:
        """Whether all of this pack was uploaded."""
        entry = self.catalog.packs.get(pack)
        return entry is not None and entry.size == info.size

    def lets_go(self, set_aside: Collection[str]) -> bool:
        """Whether one of these was there, and is not any more: the session that is taken over still makes new ones."""
        gone = self.catalog.manifests.keys() & set_aside
        return bool(gone) and not gone <= {_name(entry) for entry in self.remote.list("checkpoints")}

    def manifest_bytes(self, name: str) -> bytes:
        """As written, with members that a later version may have added; `DamagedCheckpoint` if it is gone."""
        sink = BytesIO()
        try:
            self.remote.get(f"checkpoints/{name}.json", sink)
        except NotThere as error:
            raise DamagedCheckpoint(error.what, hint=error.hint) from error
        return sink.getvalue()

    def fetch_journals(self, store: Store, newest: Mark) -> None:
        """The journals that the history of this checkpoint is made of, where the remote's is longer than ours."""
        copies = whole_journals((entry.name.rpartition("/")[2], entry.size) for entry in self.remote.list("journal"))
        seen: set[str] = set()
        mark: Mark | None = newest
        while mark is not None and mark.session not in seen:
            seen.add(mark.session)
            path = store.journal_path(mark.session)
            size, name = copies.get(mark.session, (0, ""))
            if size > (path.stat().st_size if path.exists() else 0):
                write_durably(path, partial(self.remote.get, f"journal/{name}"))
            mark = journal_parent(path)


def _name(entry: Entry) -> str:
    return entry.name.rpartition("/")[2].removesuffix(".json")


def _unusable(pack: str, why: str) -> DamagedCheckpoint:
    return DamagedCheckpoint(f"{pack} {why}", hint="the checkpoint before it is used")


def _is_readable(store: Store, name: str) -> bool:
    try:
        store.read(name)
    except DamagedCheckpoint:
        return False
    return True
