"""A folder, as it was at the newest set that can be made good: complete in its place, or not there at all.

It is put together beside its place and renamed into it. What is there already and right is not fetched again; what is
there and belongs to no set is set aside, never deleted. Every byte is proved, wherever it comes from.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..checkpoints.abreast import Tell, abreast
from ..durable import DurableSink, as_store_error, fsync_folder
from ..errors import CheckpointError, DamagedCheckpoint, NoGoodCheckpoint
from .contents import ChangedMeanwhile, Digests, copy_of
from .kinds import is_log
from .looking import Look, look
from .sets import File, FileSet
from .shelf import Shelf

__all__ = ["Brought", "Progress", "bring_back"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opened with what is being done and the bytes in all; what it gives is told how many bytes more are done."""

_AT_A_TIME = 4


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The set that the folder now is, if any; what was done, in words; sets that could not be used, with the reason."""

    now: FileSet | None
    line: str = ""
    unusable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Here:
    """What is in the place: its files by path, and one of them by each content."""

    root: Path
    files: dict[str, str]
    by_content: dict[str, str]

    @property
    def solid(self) -> dict[str, str]:
        return {path: blob for path, blob in self.files.items() if not is_log(path.rpartition("/")[2])}


def bring_back(
    root: Path, digests: Digests, shelf: Shelf, own: dict[str, FileSet], *, progress: Progress, now: float
) -> Brought:
    """See to it that `root` is the newest set, of those on the remote and those that were to be sent from here (`own`).

    Raises what the remote raises, `NoGoodCheckpoint` if there are sets and none can be used, `CheckpointError` if one is
    of a later format, `StoreError` if the disk refuses.
    """
    _remove_leftovers(root)
    shelf.refresh()
    for error in shelf.unreadable.values():
        if not isinstance(error, DamagedCheckpoint):
            raise error
    candidates = sorted({**own, **shelf.sets}.values(), key=lambda one: one.rank, reverse=True)
    unusable = [error.what for error in shelf.unreadable.values()]
    if not candidates and not unusable:
        return Brought(now=None)
    here = _look_here(root, digests)
    for candidate in candidates:
        if here.files and candidate.solid == here.solid:
            return Brought(now=candidate, line=f"{_count(here)} are those of its newest set", unusable=tuple(unusable))
        try:
            return Brought(
                now=candidate, line=_put(root, here, candidate, shelf, progress, now), unusable=tuple(unusable)
            )
        except DamagedCheckpoint as error:
            unusable.append(f"set {candidate.name} was not used: {error.what}")
    raise NoGoodCheckpoint(
        f"there are sets of {root.name}, but none can be used:\n  " + "\n  ".join(unusable),
        hint="mend the remote, or begin anew under another name: run.folder(..., name=...)",
    )


def _look_here(root: Path, digests: Digests) -> _Here:
    found: Look = look(root)
    files = {}
    for path, seen in found.files.items():
        with suppress(ChangedMeanwhile):  # somebody writes to it already: then it is no set's
            size, digest = digests.of(path, seen)
            files[path] = f"{digest}-{size}"
    return _Here(root=root, files=files, by_content={blob: path for path, blob in files.items()})


def _put(root: Path, here: _Here, wanted: FileSet, shelf: Shelf, progress: Progress, now: float) -> str:
    """Put the set together and into its place; in words, what that took. `DamagedCheckpoint` leaves all as it was."""
    lacking = [file for blob, file in wanted.contents.items() if blob not in here.by_content]
    if gone := [file.path for file in lacking if not shelf.has(file)]:
        raise DamagedCheckpoint(f"{gone[0]} is not on the remote as a whole", hint="the set before it is used")
    beside = root.with_name(f".{root.name}.bringing-{secrets.token_hex(4)}")
    try:
        with as_store_error(beside):
            beside.mkdir(parents=True)
            for folder in wanted.folders:
                (beside / folder).mkdir(parents=True, exist_ok=True)
            taken = _take(here, wanted, beside)
            _fetch(lacking, beside, shelf, progress, root.name)
            _copy_rest(wanted, beside, taken)
            _dress(wanted, beside)
            aside = _swap(root, beside, here, taken, now)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    size = sum(file.size for file in lacking)
    line = (
        f"{len(wanted.files)} files are as set {wanted.number} has them, {len(lacking)} of them fetched ({size} bytes)"
    )
    return line + (f"; what was there was no set's, and is in {aside.name}" if aside is not None else "")


def _take(here: _Here, wanted: FileSet, beside: Path) -> dict[str, str]:
    """Link what is in the old place with the right content; the old path of each new one. It was proved just now."""
    taken: dict[str, str] = {}
    for file in wanted.contents.values():
        old = here.by_content.get(file.blob)
        if old is None or is_log(old.rpartition("/")[2]):
            if old is not None:
                copy_of(here.root / old, file.size, file.digest, _place(beside, file))
            continue
        try:
            os.link(here.root / old, _place(beside, file), follow_symlinks=False)
            taken[file.path] = old
        except OSError:  # a disk without links
            copy_of(here.root / old, file.size, file.digest, _place(beside, file))
    return taken


def _fetch(lacking: list[File], beside: Path, shelf: Shelf, progress: Progress, name: str) -> None:
    def fetch(file: File, tell: Tell) -> None:
        _download(shelf, file, _place(beside, file), tell)

    with progress(f"bring back {name}", sum(file.size for file in lacking)) as advance:
        jobs = [partial(fetch, file) for file in lacking]
        abreast(jobs, advance, what="folder", at_a_time=_AT_A_TIME)


def _download(shelf: Shelf, file: File, target: Path, tell: Tell, *, again: bool = True) -> None:
    try:
        with io.BufferedWriter(DurableSink(target, "wb")) as sink:
            shelf.get_content(file, sink, tell)
    except CheckpointError:
        if not again:
            raise
        _download(shelf, file, target, lambda _: None, again=False)  # the way here may be to blame


def _copy_rest(wanted: FileSet, beside: Path, taken: dict[str, str]) -> None:
    """Files that have a content that another one has already, and empty ones: never one file under two names."""
    for file in wanted.files:
        first = wanted.contents.get(file.blob)
        if first is None:
            _place(beside, file).touch()
        elif first.path != file.path:
            copy_of(beside / first.path, file.size, file.digest, _place(beside, file))


def _dress(wanted: FileSet, beside: Path) -> None:
    """Permissions, as far as the owner keeps his own, and times; a folder's last, for its files change it."""
    for file in wanted.files:
        (beside / file.path).chmod(file.mode | 0o600)
        os.utime(beside / file.path, ns=(file.mtime_ns, file.mtime_ns))
    for folder in sorted(wanted.folders, key=len, reverse=True):
        os.utime(beside / folder, ns=(wanted.folders[folder],) * 2)


def _swap(root: Path, beside: Path, here: _Here, taken: dict[str, str], now: float) -> Path | None:
    """Rename it into its place; where what was there is now, if there was something."""
    if not here.files and not (root.is_dir() and any(root.iterdir())):
        if root.is_dir():
            root.rmdir()
        beside.rename(root)
        fsync_folder(root.parent)
        return None
    aside = _aside(root, now)
    root.rename(aside)
    beside.rename(root)
    fsync_folder(root.parent)
    for old in taken.values():
        (aside / old).unlink()  # it lives on in the new place
    return aside


def _aside(root: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    names = [
        root.with_name(f"{root.name}.set-aside-{stamp}{more}") for more in ("", *(f"-{n}" for n in range(2, 1000)))
    ]
    return next(name for name in names if not name.exists())


def _place(beside: Path, file: File) -> Path:
    place = beside / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _remove_leftovers(root: Path) -> None:
    """Of a process that was killed while it brought this folder back."""
    if root.parent.is_dir():
        prefix = f".{root.name}.bringing-"
        for path in [path for path in root.parent.iterdir() if path.name.startswith(prefix)]:
            shutil.rmtree(path)


def _count(here: _Here) -> str:
    return "1 file" if len(here.files) == 1 else f"{len(here.files)} files"
