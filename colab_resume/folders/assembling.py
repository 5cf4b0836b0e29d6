"""A set put together beside the place of its folder, and renamed into it: complete there, or not at all.

What lies in the place already with the right content is linked, not fetched; all else comes from the remote and is
proved on the way. What was in the place before is set aside, never deleted.
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
from itertools import chain, count
from pathlib import Path

from ..checkpoints.abreast import Tell, abreast
from ..durable import DurableSink, as_store_error, fsync_folder
from ..errors import DamagedCheckpoint, Overtaken
from .contents import ChangedMeanwhile, Digests, copy_of
from .kinds import is_log
from .looking import look
from .sets import File, FileSet
from .shelf import Shelf

__all__ = ["Assembled", "Here", "Progress", "assemble", "remove_leftovers"]

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opened with what is being done and the bytes in all; what it gives is told how many bytes more are done."""

_AT_A_TIME = 4


class Here:
    """What is in the place of a folder now: the content of each file by path, and one path for each content."""

    def __init__(self, root: Path, digests: Digests) -> None:
        self.root = root
        self.files: dict[str, str] = {}
        for path, seen in look(root).files.items():
            with suppress(ChangedMeanwhile):  # somebody writes to it already: then it is no set's
                size, digest = digests.of(path, seen)
                self.files[path] = f"{digest}-{size}"
        self._by_content = {blob: path for path, blob in self.files.items()}

    def is_like(self, wanted: FileSet) -> bool:
        """Whether that is this set; its logs may have grown since."""
        solid = {path: blob for path, blob in self.files.items() if not is_log(path.rpartition("/")[2])}
        return bool(self.files) and solid == wanted.solid

    def same_as(self, wanted: FileSet) -> set[str]:
        """The paths under which there is the same in both."""
        return {file.path for file in wanted.files if self.files.get(file.path) == file.blob}

    def path_of(self, file: File) -> str | None:
        """Where the content of a file lies."""
        return self._by_content.get(file.blob)


@dataclass(frozen=True)
class Assembled:
    """How many bytes had to be fetched, and where that is now which was in the place before."""

    fetched: int
    aside: Path | None


def assemble(here: Here, wanted: FileSet, shelf: Shelf, *, progress: Progress, now: float) -> Assembled:
    """Put the set into its place. `DamagedCheckpoint` if that is not possible leaves all as it was."""
    root = here.root
    lacking = [file for file in wanted.contents.values() if here.path_of(file) is None]
    if gone := [file.path for file in lacking if not shelf.has(file)]:
        raise DamagedCheckpoint(f"{gone[0]} is not on the remote as a whole", hint="the set before it is used")
    beside = root.with_name(f".{root.name}.bringing-{secrets.token_hex(4)}")
    try:
        with as_store_error(beside):
            beside.mkdir(parents=True)
            for folder in wanted.folders:
                (beside / folder).mkdir(parents=True, exist_ok=True)
            taken = _take(here, wanted, beside)
            _fetch(lacking, beside, shelf, partial(progress, f"bring back {root.name}"))
            _copy_rest(wanted, beside)
            _dress(wanted, beside)
            aside = _swap(root, beside, now)
            if aside is not None:
                _thin_out(aside, {*taken, *here.same_as(wanted)})
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Assembled(sum(file.size for file in lacking), aside)


def _take(here: Here, wanted: FileSet, beside: Path) -> list[str]:
    """What is here with the right content: a second name for it, if the disk can do that; the old paths of those."""
    linked = []
    for file in wanted.contents.values():
        if (old := here.path_of(file)) is None:
            continue
        if not is_log(old.rpartition("/")[2]):  # one that has grown has more in it
            with suppress(OSError):
                os.link(here.root / old, _place(beside, file), follow_symlinks=False)
                linked.append(old)
                continue
        copy_of(here.root / old, file.size, file.digest, _place(beside, file))
    return linked


def _fetch(
    files: list[File], beside: Path, shelf: Shelf, progress: Callable[[int], AbstractContextManager[Tell]]
) -> None:
    def fetch(file: File, tell: Tell) -> None:
        try:
            _download(shelf, file, _place(beside, file), tell)
        except (DamagedCheckpoint, Overtaken):  # the way here may be to blame
            _download(shelf, file, _place(beside, file), tell)

    with progress(sum(file.size for file in files)) as advance:
        abreast([partial(fetch, file) for file in files], advance, what="folder", at_a_time=_AT_A_TIME)


def _download(shelf: Shelf, file: File, target: Path, tell: Tell) -> None:
    with io.BufferedWriter(DurableSink(target, "wb")) as sink:
        shelf.get_content(file, sink, tell)


def _copy_rest(wanted: FileSet, beside: Path) -> None:
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


def _swap(root: Path, beside: Path, now: float) -> Path | None:
    """Rename it into its place; where what was there is now, if there was something."""
    aside = None
    if root.is_dir():
        if any(root.iterdir()):
            aside = _aside(root, now)
            root.rename(aside)
        else:
            root.rmdir()
    beside.rename(root)
    fsync_folder(root.parent)
    return aside


def _thin_out(aside: Path, paths: set[str]) -> None:
    """What has been set aside and lives on in the new place is needed once."""
    for path in paths:
        (aside / path).unlink()


def _aside(root: Path, now: float) -> Path:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    endings = chain([""], (f"-{number}" for number in count(2)))
    names = (root.with_name(f"{root.name}.set-aside-{stamp}{ending}") for ending in endings)
    return next(name for name in names if not name.exists())


def _place(beside: Path, file: File) -> Path:
    place = beside / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def remove_leftovers(root: Path) -> None:
    """Of a process that was killed while it brought this folder back."""
    if root.parent.is_dir():
        prefix = f".{root.name}.bringing-"
        for path in [path for path in root.parent.iterdir() if path.name.startswith(prefix)]:
            shutil.rmtree(path)
