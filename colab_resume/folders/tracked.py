"""The folders of one run, over all its sessions in this process: tracked by the user, looked at and sent by the mirror.

Tracking happens in the training's thread, all else in the mirror's. A folder is seen by the mirror once it is in its
place; from then on only the mirror touches what belongs to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import ColabResumeError, RunInUse, UsageError
from ..remotes import Remote
from ..remotes.abilities import folder_here
from ..sessions.names import run_folder
from ..status import Folder
from .assembling import Progress
from .bringing_back import Brought, bring_back
from .contents import Digests
from .looking import SETTLE_SECONDS
from .mirrored import MirroredFolder, own_sets
from .shelf import Shelf

__all__ = ["Folders"]

_LOOK_SECONDS, _AWAITED_LOOK_SECONDS = 1.0, 0.2
_SHARE = 100
"""Looking takes no more than one part in so many of the time: 10,000 files are looked at for 0.2 s."""


class Folders:
    """`store`: the run's folder on this disk. `keep`: how many sets of each stay. `settle`: seconds without a change.

    `tell` hears a line now and then. `clock` counts seconds, `now` tells the time since 1970.
    """

    def __init__(
        self,
        store: Path,
        remote: Remote | None,
        *,
        keep: int,
        settle: float = SETTLE_SECONDS,
        progress: Progress,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._remote = remote
        self._keep = keep
        self._settle = settle
        self._progress = progress
        self._tell = tell
        self._clock = clock
        self._now = now
        self._session = ""
        self._check: Callable[[], None] = lambda: None
        self._folders: tuple[MirroredFolder, ...] = ()
        self._look_took = 0.0

    def begin(self, session: str, check: Callable[[], None]) -> None:
        """A session begins; `check` raises when it may no longer write. No mirror may be at work."""
        self._session, self._check = session, check
        for folder in self._folders:
            folder.session = session
            folder.forget()

    def add(self, path: str | Path, *, name: str | None = None) -> Path:
        """Bring a folder back, and have it mirrored from now on; again is nothing.

        Raises `UsageError` for what cannot be meant, and what `bring_back` raises.
        """
        given = Path(path).expanduser().absolute()
        root = given.resolve()
        called = _name(name if name is not None else root.name)
        if any((folder.root, folder.name) == (root, called) for folder in self._folders):
            return given
        self._refuse(root, called)
        if self._remote is None:
            self._tell(f"folder {called} is not mirrored, for there is no remote: it goes when this machine goes")
            return given
        digests, shelf, store = Digests(root), Shelf(self._remote, called), self._store / "folders" / called
        now = self._now()
        self._say(
            called, bring_back(root, digests, shelf, own_sets(store), progress=self._progress, now=now), now, root
        )
        folder = MirroredFolder(
            root,
            called,
            shelf=shelf,
            store=store,
            keep=self._keep,
            settle=self._settle,
            digests=digests,
            clock=self._clock,
            now=self._now,
            tell=self._tell,
        )
        folder.session = self._session
        self._folders = (*self._folders, folder)
        return given

    def roots(self) -> list[Path]:
        """Where they lie."""
        return [folder.root for folder in self._folders]

    def _refuse(self, root: Path, name: str) -> None:
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file", hint="give the folder that it lies in")
        remote = folder_here(self._remote) if self._remote is not None else None
        for own in (self._store, remote):
            if own is not None and _lie_in_each_other(root, own.resolve()):
                raise UsageError(f"{root} and the run's own {own} lie in each other", hint="give another folder")
        for other in self._folders:
            if other.name == name:
                raise UsageError(f"folder {name!r} is {other.root} already", hint='say run.folder(..., name="another")')
            if _lie_in_each_other(root, other.root):
                raise UsageError(f"{root} and {other.root} lie in each other", hint="track the outer one alone")

    def _say(self, name: str, brought: Brought, now: float, root: Path) -> None:
        for reason in brought.unusable:
            self._tell(f"folder {name}: {reason}")
        if brought.now is not None:
            age = max(0.0, now - brought.now.created)
            self._tell(f"folder {name}: {brought.line}; captured {age:.0f} s ago")
        elif root.is_dir() and any(root.iterdir()):
            self._tell(f"folder {name}: nothing of it was mirrored before; what is in it is mirrored from now on")

    @property
    def status(self) -> tuple[Folder, ...]:
        """What there is to show of each."""
        return tuple(folder.status for folder in self._folders)

    @property
    def problems(self) -> dict[str, str]:
        """What keeps a folder from being mirrored, by where that is."""
        return {f"folder {folder.name}": folder.problem for folder in self._folders if folder.problem}

    def pause(self, *, awaited: bool) -> float:
        """How many seconds may pass between two looks; fewer if somebody waits for what they find."""
        if not self._folders:
            return math.inf
        return max(_AWAITED_LOOK_SECONDS if awaited else _LOOK_SECONDS, self._look_took * (2 if awaited else _SHARE))

    @property
    def rest(self) -> bool:
        """Whether all that is in them was on the remote at the last look."""
        return all(folder.rests for folder in self._folders)

    @property
    def watched(self) -> bool:
        """Whether there are any."""
        return bool(self._folders)

    def look(self, request: int) -> bool:
        """Look at each; whether there is something to send. A new `request` asks for the newest logs, too."""
        begin = self._clock()
        due = [folder.look(request) for folder in self._folders]
        self._look_took = self._clock() - begin
        return any(due)

    def forget(self) -> None:
        """Look at the remote afresh: after a failure nobody knows what it holds."""
        for folder in self._folders:
            folder.forget()

    def sync(self, hurry: Callable[[], bool]) -> None:
        """Send what is to be sent. What keeps one from that does not keep the others, and is raised in the end."""
        failed: ColabResumeError | None = None
        for folder in self._folders:
            try:
                folder.sync(check=self._check, hurry=hurry)
            except RunInUse:
                raise
            except ColabResumeError as error:
                failed = failed or error
        if failed is not None:
            raise failed


def _name(given: str) -> str:
    try:
        return run_folder(given)
    except UsageError as error:
        what = f"{given!r:.90} cannot be what a mirrored folder is called: {error.what.partition(': ')[2]}"
        raise UsageError(what, hint='give it a name: run.folder(..., name="weights")') from error


def _lie_in_each_other(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)
