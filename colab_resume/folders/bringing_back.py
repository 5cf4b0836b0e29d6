"""Which set a folder is to be when a session begins with it: the newest one that can be made good.

What is there and is that set stays. If it is something else, it had not settled when its process was killed, or another
VM has gone on meanwhile; then the set takes its place. If there are sets and none can be used, that is an error, never
a silent start from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import DamagedCheckpoint, NoGoodCheckpoint
from .assembling import Assembled, Here, Progress, assemble, remove_leftovers
from .contents import Digests
from .sets import FileSet
from .shelf import Shelf

__all__ = ["Brought", "bring_back"]


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The set that the folder now is, if any; what was done, in words; sets that could not be used, with the reason."""

    now: FileSet | None
    line: str = ""
    unusable: tuple[str, ...] = ()


def bring_back(
    root: Path, digests: Digests, shelf: Shelf, own: Mapping[str, FileSet], *, progress: Progress, now: float
) -> Brought:
    """Let `root` be the newest set of those on the remote and of those that were made here and not sent yet (`own`).

    Raises what the remote raises, `NoGoodCheckpoint` if none can be used, `CheckpointError` if one is of a later
    format, `StoreError` if the disk refuses.
    """
    remove_leftovers(root)
    shelf.refresh()
    for error in shelf.unreadable.values():
        if not isinstance(error, DamagedCheckpoint):
            raise error
    unusable = [error.what for error in shelf.unreadable.values()]
    candidates = sorted({**own, **shelf.sets}.values(), key=lambda one: one.rank, reverse=True)
    if not candidates and not unusable:
        return Brought(now=None)
    here = Here(root, digests)
    for candidate in candidates:
        if here.is_like(candidate):
            line = f"{_count(len(here.files))} there, as in set {candidate.number}"
            return Brought(now=candidate, line=line, unusable=tuple(unusable))
        try:
            assembled = assemble(here, candidate, shelf, progress=progress, now=now)
        except DamagedCheckpoint as error:
            unusable.append(f"set {candidate.number} was not used: {error.what}")
        else:
            return Brought(now=candidate, line=_line(candidate, assembled), unusable=tuple(unusable))
    raise NoGoodCheckpoint(
        f"there are sets of {root.name}, but none can be used:\n  " + "\n  ".join(unusable),
        hint="mend the remote, or begin anew under another name: run.folder(..., name=...)",
    )


def _line(brought: FileSet, assembled: Assembled) -> str:
    line = f"{_count(len(brought.files))} brought back (set {brought.number}, {assembled.fetched / 1e6:.1f} MB fetched)"
    if assembled.aside is None:
        return line
    return f"{line}; what was there had not settled or was older, and is in {assembled.aside.name}"


def _count(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"
