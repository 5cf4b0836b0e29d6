"""Where a run lives, from what a user writes and from what works in this place: its name, its folder, its remote.

Whatever Colab allows only in a cell and in the main thread (mounting Drive, signing in) is done here, once, with a
limit; a line that is printed before it waits says for how long.
"""

from __future__ import annotations

import multiprocessing.process
import sys
from dataclasses import dataclass
from pathlib import Path

from .colab import asking, importing
from .colab.auth import authenticate_for
from .colab.drive import mount_drive
from .colab.place import Kind, Place, drive_point, find_place, local_disk
from .colab.storage import choose_storage
from .display.forms import forms_if_possible
from .errors import UsageError
from .remotes import Remote
from .remotes.folder import FolderRemote
from .remotes.opening import open_remote
from .remotes.prefixed import PrefixedRemote
from .remotes.retrying import Retrying
from .remotes.throttled import Throttled, bytes_per_second
from .sessions.names import run_folder

__all__ = ["Address", "Site", "address", "open_site"]


@dataclass(frozen=True, kw_only=True)
class Address:
    """A run's name, its folder on this machine's disk, and the place that this is."""

    name: str
    store: Path
    place: Place


@dataclass(frozen=True, kw_only=True)
class Site:
    """What an address leads to: the remote, if there is one, and both storages in one line."""

    address: Address
    given: str | Path | Remote | None
    """The remote as the user named it, if at all."""
    remote: Remote | None
    line: str
    remote_name: str = "the remote"
    """What the remote is called in a sentence."""


def address(name: str | None, *, store: str | Path | None) -> Address:
    """Of the run of this name, or of the notebook's; `UsageError` if that cannot be a name, or is not known."""
    _refuse_in_a_worker()
    place = find_place()
    given = place.notebook if name is None else name
    if given is None:
        raise UsageError("this run has no name, and the notebook's is not known", hint='for example setup("digits")')
    root = Path(store) if store is not None else local_disk()
    return Address(name=given, store=(root / run_folder(given)).absolute(), place=place)


def open_site(
    where: Address, *, drive: bool, remote: str | Path | Remote | None, upload_limit: str | float | None
) -> Site:
    """Mount, sign in and open what is needed for that. Raises `UsageError` and `RemoteError` with what to do."""
    _choose_who_asks(where.place)
    given, line = remote, ""
    if remote is None:
        storage = choose_storage(where.place, drive=drive, disk=where.store.parent)
        line = storage.line
        if storage.remote is None:
            return Site(address=where, given=given, remote=None, line=line)
        remote = storage.remote if storage.confirms else FolderRemote(storage.remote, confirms=False)
        if storage.mount is not None:
            mount_drive(storage.mount)
    if isinstance(remote, (str, Path)):
        line = line or f"checkpoints go to {remote}"
        remote = _opened(remote, where)
    _refuse_the_store(remote, where.store.parent)
    limited = remote if upload_limit is None else Throttled(remote, bytes_per_second(upload_limit))
    return Site(
        address=where,
        given=given,
        remote=Retrying(PrefixedRemote(limited, where.store.name)),
        line=line or "checkpoints go to a remote of your own",
        remote_name="Drive" if type(remote).__name__ in ("DriveMount", "DriveAPI") else "the remote",
    )


def _opened(remote: str | Path, where: Address) -> Remote:
    if where.place.kind is Kind.COLAB and (point := drive_point(Path(remote))) is not None:
        mount_drive(point)
    authenticate_for(remote, where.place)
    # Uploads that a restart of the kernel interrupts go on from there.
    return open_remote(remote, sessions=where.store.parent / ".uploads")


def _refuse_the_store(remote: Remote, disk: Path) -> None:
    """A folder that is mirrored into itself survives nothing, and each copy would be something new to be mirrored."""
    root = getattr(remote, "root", None)
    if isinstance(root, Path) and root.resolve() == disk.resolve():
        raise UsageError(
            f"{root} is where this machine keeps its checkpoints, so it cannot be their remote as well",
            hint="give a remote that survives this machine, or another store; remote=None if there is none",
        )


def _choose_who_asks(place: Place) -> None:
    """Forms in a notebook, prompts in a terminal; where somebody can be asked, what Colab has is stood in for."""
    asking.use((forms_if_possible() if place.can_ask else None) or asking.Prompts())
    if place.kind is not Kind.COLAB and (place.can_ask or (sys.stdin is not None and sys.stdin.isatty())):
        importing.install()


def _refuse_in_a_worker() -> None:
    """A spawned worker runs the main script again, so that whatever is not guarded there would happen twice."""
    # The same look as multiprocessing's own, before it starts a process.
    if getattr(multiprocessing.process.current_process(), "_inheriting", False):
        raise UsageError(
            "setup() was called by a worker process that has only begun to import your script",
            hint='put the training under `if __name__ == "__main__":`, as multiprocessing needs it',
        )
