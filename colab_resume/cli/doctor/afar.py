"""What may take any time to be told: the mount, the remote, the run on it. Only looked at, never written to.

Each question gives its findings one by one, so that those before the one that hangs are there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...colab.drive import MountState, mount_state
from ...colab.mount_table import drive_mount, mount_point
from ...colab.place import drive_point, find_place, local_disk
from ...colab.storage import MOUNT_POINT, WITH_DRIVE, choose_storage
from ...display.tables import duration, size
from ...remotes.abilities import Space, space_of
from ..places import Place, open_place
from ..runs import FoundRun, last_used
from .condition import checkpoint, proof, sessions
from .findings import Finding

__all__ = ["Asked", "QUESTIONS"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`where` the user has pointed at, None if nowhere; `seconds` that there are for the answers."""

    where: str | None
    credentials: str | None
    seconds: float


def _mount(asked: Asked) -> Iterator[Finding]:
    """Drive's, or that which the user has pointed at."""
    point = _point(asked.where)
    if point is None:
        yield Finding(about="mount", text="no Google Drive is mounted here by Colab")
        if find_place().kind in WITH_DRIVE and MOUNT_POINT.is_dir() and any(MOUNT_POINT.iterdir()):
            text = f"files of this machine's own disk lie in {MOUNT_POINT}: Drive cannot be mounted over them"
            yield Finding(about="mount", text=text, wrong=True)
        return
    begun = time.monotonic()
    state = mount_state(point, asked.seconds / 2)
    if state is not MountState.ANSWERS:
        after = f" for {asked.seconds / 2:g} s" if state is MountState.SILENT else ""
        yield Finding(about="mount", text=f"{point} is mounted: {state.value}{after}", wrong=True)
        return
    found = shutil.disk_usage(point)
    took = duration(time.monotonic() - begun)
    text = f"{point} is mounted and answers in {took}: {size(found.free)} free of {size(found.total)}"
    yield Finding(about="mount", text=text)


def _point(where: str | None) -> Path | None:
    if where is not None and "://" not in where and (found := mount_point(Path(where).absolute())) is not None:
        return found
    return drive_mount() if find_place().kind in WITH_DRIVE else None


def _run(asked: Asked) -> Iterator[Finding]:
    """The place, the run in it that was worked on last, its sessions and its newest checkpoint."""
    where = asked.where
    if where is None:
        where = yield from _where_setup_saves()
    if where is None:
        return
    place = open_place(where, asked.credentials, attempts=1)
    yield from _remote(place)
    found = last_used(place)
    if found is None:
        yield Finding(about="run", text=f"there is no run in {place.shown}", wrong=asked.where is not None)
        return
    run, names = found
    others = f", the last used of {len(names)} in {place.shown}" if len(names) > 1 else ""
    yield Finding(about="run", text=f"{run.name}{others}: {len(run.manifests)} checkpoints, {_stored(run)}")
    yield from checkpoint(run, free=None if (space := _space(place)) is None else space.free)
    yield from proof(run)
    yield from sessions(run)


def _where_setup_saves() -> Generator[Finding, None, str | None]:
    """The first that is there of the storage that `setup` would choose and this machine's disk."""
    storage = choose_storage(replace(find_place(), can_ask=True), drive=True, disk=local_disk())
    yield Finding(about="storage", text=storage.line)
    chosen = storage.remote
    if storage.mount is not None and drive_mount() is None:
        yield Finding(about="storage", text="Drive is not mounted yet: setup() in a cell does that")
        chosen = None
    for folder in filter(None, (chosen, local_disk())):
        try:
            if folder.is_dir():
                return str(folder)
        except OSError as error:
            yield Finding(about="storage", text=f"{folder}: {error.strerror}", wrong=True)
        else:
            yield Finding(about="run", text=f"nothing was saved yet: there is no {folder}")
    return None


def _remote(place: Place) -> Iterator[Finding]:
    begun = time.monotonic()
    place.remote.list("")
    text = f"{place.shown} answers in {duration(time.monotonic() - begun)}"
    yield Finding(about="remote", text=text)
    if place.folder is not None and drive_point(place.folder) is not None and mount_point(place.folder) is None:
        text = f"{place.shown} is on this machine's own disk: Drive is not mounted there, and it goes with the machine"
        yield Finding(about="remote", text=text, wrong=True)
    yield Finding(about="remote", text=_told(_space(place)))


def _told(space: Space | None) -> str:
    if space is None or space.free is None:
        return "it sets no limit to space, or does not tell one"
    return f"{size(space.free)} free there" + (f" of {size(space.total)}" if space.total is not None else "")


def _space(place: Place) -> Space | None:
    if place.folder is None:
        return space_of(place.remote)
    found = shutil.disk_usage(place.folder)
    return Space(total=found.total, free=found.free)


def _stored(run: FoundRun) -> str:
    return size(sum(run.packs.values()))


QUESTIONS: Mapping[str, Callable[[Asked], Iterator[Finding]]] = {"mount": _mount, "run": _run}
"""Each is asked of a process of its own."""
