"""What lies in a folder, seen from outside, and whether it has come to rest.

Looking reads no content. A file that is written to gets another time of change (`ctime`, which no program can set
back); so two looks that are the same, some seconds apart, say that nothing was written in between, and that whatever is
written later will be seen. What is open for writing is not at rest, whoever has it open.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .kinds import INCOMPLETE_MARK, is_log, is_unfinished

__all__ = ["HELD_SECONDS", "Look", "RESTLESS_SECONDS", "SETTLE_SECONDS", "Seen", "Settling", "look", "open_for_writing"]

SETTLE_SECONDS = 3.0
"""Between two looks that are the same."""
HELD_SECONDS = 30.0
"""After so long without a change a file that stays open for writing counts as settled: a database, a log."""
RESTLESS_SECONDS = 60.0
"""Whoever writes so long without a pause is told about."""

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Seen:
    """A file as it was at a look."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int


@dataclass(frozen=True)
class Look:
    """All that is in a folder, by path; `links` are those that are neither followed nor mirrored."""

    files: dict[str, Seen]
    unfinished: dict[str, Seen]
    folders: dict[str, int]
    links: tuple[str, ...]

    @cached_property
    def still(self) -> tuple[object, ...]:
        """What must not change while a folder is at rest: everything but logs."""
        solid = {path: seen for path, seen in self.files.items() if not is_log(path.rpartition("/")[2])}
        return solid, self.unfinished, set(self.folders)


def look(root: Path) -> Look:
    """What is in a folder now; a folder that is not there is empty."""
    found = Look({}, {}, {}, ())
    links: list[str] = []
    _look_into(root, "", found, links, finished=True)
    return Look(found.files, found.unfinished, found.folders, tuple(sorted(links)))


def _look_into(folder: Path, prefix: str, found: Look, links: list[str], *, finished: bool) -> None:
    try:
        with os.scandir(folder) as items:
            entries = sorted(items, key=lambda item: item.name)
    except (FileNotFoundError, NotADirectoryError):
        return  # it went between two looks
    finished = finished and not any(entry.name == INCOMPLETE_MARK for entry in entries)
    for entry in entries:
        path, whole = f"{prefix}{entry.name}", finished and not is_unfinished(entry.name)
        with suppress(FileNotFoundError):
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(facts.st_mode):
                if whole:
                    found.folders[path] = facts.st_mtime_ns
                _look_into(folder / entry.name, f"{path}/", found, links, finished=whole)
            elif stat.S_ISREG(facts.st_mode):
                (found.files if whole else found.unfinished)[path] = _seen(facts)
            elif stat.S_ISLNK(facts.st_mode):
                links.append(path)


def _seen(facts: os.stat_result) -> Seen:
    mode = stat.S_IMODE(facts.st_mode) & 0o777
    return Seen(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino, mode)


def open_for_writing(root: Path) -> set[str]:
    """The files below `root` that any process has open for writing, as far as this one may know; logs are left out."""
    found = set()
    for path in _written_files():
        with suppress(ValueError):
            found.add(Path(path).relative_to(root).as_posix())
    return {path for path in found if not is_log(path.rpartition("/")[2])}


def _written_files() -> Iterator[str]:
    for process in _listed(_PROCESSES):
        if not process.isdecimal():
            continue
        for number in _listed(_PROCESSES / process / "fd"):
            # A link is read and not followed: what it leads to may be on a mount that is dead.
            with suppress(OSError):
                target = str((_PROCESSES / process / "fd" / number).readlink())
                if target.startswith("/") and _writes(_PROCESSES / process / "fdinfo" / number):
                    yield target


def _listed(folder: Path) -> list[str]:
    """The names in a folder of `/proc`; none where that belongs to somebody else, or is gone."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - only names are wanted, of thousands of entries
    except OSError:
        return []


def _writes(info: Path) -> bool:
    for line in info.read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


class Settling:
    """Judges looks at `root` in the order of their times, which are seconds by any clock.

    `settle`: how long nothing must have changed. `is_open` tells which files somebody has open for writing.
    """

    def __init__(
        self, root: Path, settle: float, *, is_open: Callable[[Path], Collection[str]] = open_for_writing
    ) -> None:
        self._root = root
        self._settle = settle
        self._is_open = is_open
        self._last: Look | None = None
        self._since = 0.0
        self._unsettled_since: float | None = None

    def see(self, found: Look, now: float, *, known: bool) -> bool:
        """Whether all that was found has settled, by this look and those before it; what is `known` has."""
        if self._last is None or self._last.still != found.still:
            self._since = now
        self._last = found
        settled = known or self._is_quiet(found, now - self._since)
        if settled:
            self._unsettled_since = None
        elif self._unsettled_since is None:
            self._unsettled_since = now
        return settled

    def _is_quiet(self, found: Look, seconds: float) -> bool:
        if seconds < self._settle:
            return False
        return seconds >= HELD_SECONDS or found.files.keys().isdisjoint(self._is_open(self._root))

    def forgive(self) -> None:
        """Whoever is restless may begin to rest now."""
        self._unsettled_since = None

    def restless_for(self, now: float) -> float:
        """How long it has not settled, without a pause."""
        return 0.0 if self._unsettled_since is None else now - self._unsettled_since
