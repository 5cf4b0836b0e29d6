"""Google Drive by its API, as a remote.

Promises: a new object appears whole or not at all, and a replaced one keeps its old content until the new one is there;
`put` returns when Drive has told the size and the md5 of what it stored, and they are the source's. No try makes a
second file of a name. An upload goes on where it stopped, also after a restart of the process. Nothing is put into the
trash, and nothing outside the folder is read or touched. No token and no session address is ever shown.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from ...errors import NotThere, RemoteRefused, RemoteUnavailable, UsageError
from .. import Entry, Receipt, Source
from ..abilities import Space
from ..folder import check_name
from ..reading import md5_of, reading
from .credentials import bearer_of, check_packages
from .download import Download, Replaced
from .files import Files
from .folders import Folders
from .ids import Ids
from .items import Item, newest
from .line import Line
from .pace import Pace
from .refusals import Taken
from .sessions import Sessions
from .space import FIELDS, told_space
from .tagged import Tagged
from .tries import Tries
from .upload import Upload
from .whole import Target, send_whole

__all__ = ["DriveAPI"]

_MIB = 1 << 20
_SMALL = _MIB
_MOST_UP, _MOST_DOWN = 256 * _MIB, 32 * _MIB
_RESOLVED = 3
"""How often names are looked up anew within one `put`; once is enough unless somebody moves folders meanwhile."""


class DriveAPI:
    """The folder `folder` below My Drive; it is made when first needed.

    `credentials`: see credentials.py. `root_url`: another address of the API, as a proxy's. `sessions`: a folder on
    this machine's own disk where uploads under way are kept for the next process. `chunk`: what the first request of
    an upload or a download carries. `attempts`: how often a transfer is tried that does not get on.
    """

    confirms = True
    proof_text = "Drive tells the size and the md5 of each file that it has stored, and they are compared"

    def __init__(
        self,
        folder: str,
        *,
        credentials: object = None,
        root_url: str = "https://www.googleapis.com/",
        sessions: Path | None = None,
        chunk: int = 8 * _MIB,
        attempts: int = 5,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        path = folder.strip("/")
        try:
            check_name(path)
        except RemoteRefused as error:
            raise UsageError(
                f"{folder!r} is no folder below My Drive", hint="use one such as 'colab_resume'"
            ) from error
        if attempts < 1:
            raise UsageError(f"attempts={attempts} never asks at all", hint="use attempts=1 to ask once")
        self._up, self._down = Pace(chunk, _MOST_UP), Pace(chunk, _MOST_DOWN)
        check_packages()
        self._folder = path
        self._attempts = attempts
        self._wait = wait
        self._clock = clock
        self._line = Line(bearer_of(credentials), root_url)
        self._ids = Ids(self._line)
        self._folders = Folders(self._line, self._ids)
        self._files = Files(self._line, self._folders, tuple(path.split("/")))
        self._tagged = Tagged(self._line, self._files, self._ids)
        self._sessions = Sessions(sessions, f"{root_url}\n{path}", clock)
        self._begun: dict[str, str] = {}
        """Ids of new files that may be there or not."""

    def __repr__(self) -> str:
        return f"DriveAPI({self._folder!r})"

    def list(self, folder: str) -> Sequence[Entry]:
        if folder:
            check_name(folder)
        found = {name: max(items, key=newest) for name, items in self._files.listed(folder).items()}
        return [Entry(name, item.size or 0, item.md5) for name, item in sorted(found.items())]

    def folders(self) -> Sequence[str]:
        """The names of the folders directly in it."""
        return self._files.folders()

    def put(self, name: str, source: Source) -> Receipt:
        check_name(name)
        with reading(name):
            size = source.size
        for _ in range(_RESOLVED):
            item = self._stored(name, source, size)
            if item is not None:
                self._files.note(name, item)
                self._begun.pop(name, None)
                return Receipt(name, size, item.md5)
        what = f"cannot store {name}: its folder is always being moved or removed"
        raise RemoteUnavailable(what, hint=f"leave {self._folder} on Drive where it is")

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        check_name(name)
        known = self._files.just_listed(name) if offset == 0 else None
        if known is not None and 0 < (known.size or 0) <= _SMALL:
            # One request brings all of it, and its md5 tells whether it is still what is remembered.
            with contextlib.suppress(Replaced):
                self._download(name, known, 0).run(sink)
                return
        item = self._files.now(name)
        if item is None:
            raise NotThere(f"{self._folder}/{name} is not there", hint="list the folder to see what is")
        self._download(name, item, offset).run(sink)

    def _download(self, name: str, item: Item, offset: int) -> Download:
        tries = Tries(self._attempts, self._wait)
        return Download(self._line, self._files, name, item, offset, pace=self._down, tries=tries, clock=self._clock)

    def delete(self, name: str) -> None:
        check_name(name)
        for item in self._files.all(name):
            self._files.delete(item.id, f"delete {name}")
        self._files.forget(name)
        self._sessions.drop(name)

    def space(self) -> Space:
        """How much the account has, the trash and other services of Google's included."""
        return told_space(self._line.ask(self._line.service.about().get(fields=FIELDS), "ask for the room on Drive"))

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        """A small file and the tag to replace it with; None if it is not there."""
        check_name(name)
        return self._tagged.read(name)

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        """Replace a small file that is still what `tag` was read with, or create it (None); else says `Overtaken`."""
        check_name(name)
        return self._tagged.swap(name, data, tag)

    def _stored(self, name: str, source: Source, size: int) -> Item | None:
        """The finished file; None if names have to be looked up anew."""
        target = self._target(name, size)
        try:
            item, md5 = self._sent(target, source, size)
        except NotThere:
            self._files.forget(name, folders=True)
            return None
        except Taken:
            return self._found_again(target, source, size)
        if item.trashed or target.parent not in item.parents:
            if target.is_new:
                self._files.delete(item.id, f"take back {name}")
            self._begun.pop(name, None)
            self._files.forget(name, folders=True)
            return None
        if (item.size, item.md5) != (size, md5):
            self._files.delete(item.id, f"take back {name}")
            self._begun.pop(name, None)
            self._files.forget(name)
            raise RemoteUnavailable(f"{name}: it was corrupted on the way", hint="it is sent again")
        return item

    def _found_again(self, target: Target, source: Source, size: int) -> Item | None:
        """The id is taken: by an earlier try, which may have sent other bytes."""
        item = self._files.fetched(target.file_id, f"look for {target.name}")
        self._begun.pop(target.name, None)
        if item is None or item.trashed or target.parent not in item.parents:
            self._files.forget(target.name, folders=True)
            return None
        self._files.note(target.name, item)
        return item if (item.size, item.md5) == (size, md5_of(target.name, source, size)) else None

    def _sent(self, target: Target, source: Source, size: int) -> tuple[Item, str]:
        if size <= _SMALL:
            return send_whole(self._line, target, source, size)
        upload = Upload(
            self._line,
            self._sessions,
            target,
            source,
            size,
            pace=self._up,
            tries=Tries(self._attempts, self._wait),
            clock=self._clock,
        )
        return upload.run()

    def _target(self, name: str, size: int) -> Target:
        """Where the upload under way goes, or the file of this name, or a new one."""
        kept = self._sessions.find(name, size)
        if kept is not None and kept.parent in self._files.parents(name):
            return Target(name, kept.file_id, kept.parent, kept.is_new)
        item = self._files.somewhere(name)
        if item is not None:
            return Target(name, item.id, item.parents[0], is_new=False)
        file_id = self._begun.get(name) or self._begun.setdefault(name, self._ids.new())
        return Target(name, file_id, self._files.parent(name), is_new=True)
