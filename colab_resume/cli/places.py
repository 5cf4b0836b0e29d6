"""Where a user points: a folder or a URL, opened to be looked at, and the folders in it.

A folder is read as the files that lie in it, on a mounted Drive, too: what still waits there to be uploaded can be
looked at already, and looking leaves no trace. What lies behind a network is asked several times before it counts as
unavailable. What a URL says in front of `@` is never shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..remotes import Remote
from ..remotes.abilities import folders_of
from ..remotes.drive_mount import DriveMount
from ..remotes.folder import FolderRemote
from ..remotes.opening import DRIVE_FOLDER, open_remote
from ..remotes.prefixed import PrefixedRemote
from ..remotes.retrying import Retrying

__all__ = ["HINT", "Place", "open_place"]

HINT = "give what setup() was given as remote= or store=, or one run's folder in it"


@dataclass(frozen=True, eq=False)
class Place:
    """Something that may be a run, or hold runs; `shown` is how a user would write it.

    `folder` is None for all that is no folder of this machine, `above` for what the user has pointed at.
    """

    remote: Remote
    shown: str
    folder: Path | None = None
    above: Place | None = None

    @property
    def at_a_time(self) -> int:
        """How many questions it is asked at a time: a network is waited for, a disk is no faster with several."""
        return 8 if self.folder is None else 1

    @property
    def name(self) -> str:
        """The last part of its path, which is the run's name if it is one."""
        if self.folder is not None:
            return self.folder.resolve().name
        return re.split("[:/]", self.shown.rstrip("/"))[-1]

    def inside(self) -> list[Place]:
        """The folders in it, by name."""
        if self.folder is not None:
            paths = sorted(path for path in self.folder.iterdir() if path.is_dir())
            return [Place(FolderRemote(path), str(path), path, self) for path in paths]
        names = sorted(folders_of(self.remote))
        return [Place(PrefixedRemote(self.remote, name), self.shown_inside(name), None, self) for name in names]

    def shown_inside(self, name: str) -> str:
        """How a user would write this folder in it."""
        return str(self.folder / name) if self.folder is not None else f"{self.shown.rstrip('/')}/{name}"


def open_place(where: str, credentials: str | None = None, *, attempts: int = 5) -> Place:
    """Open it; `UsageError` for what can be no place, and for a folder that is not there.

    `attempts`: how often what lies behind a network is asked.
    """
    remote = open_remote(where, credentials=credentials)
    if isinstance(remote, FolderRemote | DriveMount):
        return _folder(remote.root if "://" in where else Path(where))
    shown = re.sub(r"(?<=//)[^/@]*@", "", where)
    return Place(Retrying(remote, attempts=attempts), f"drive:{DRIVE_FOLDER}" if shown == "drive:" else shown)


def _folder(path: Path) -> Place:
    if not path.exists():
        raise UsageError(f"there is no folder {path}", hint="see whether the Drive is mounted, and how it is spelled")
    if not path.is_dir():
        raise UsageError(f"{path} is a file, not a folder", hint=HINT)
    return Place(FolderRemote(path), str(path), path)
