"""Folders: from paths to ids. Each is looked for below its parent, once, and remembered.

A name is never searched for, since Drive's index of names lags behind; what lies below a folder it tells at once.
Two sessions may make the same folder at the same moment, and Drive keeps both. All of them are read, and everybody
writes to the oldest.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence

from .ids import Ids
from .items import FIELDS, FOLDER, Item, oldest
from .line import Line
from .refusals import Taken

__all__ = ["Folders", "children"]

_Path = tuple[str, ...]


class Folders:
    """Paths are those below My Drive."""

    def __init__(self, line: Line, ids: Ids) -> None:
        self._line = line
        self._ids = ids
        # Threads that need the same new folder make it once.
        self._lock = threading.RLock()
        self._known: dict[_Path, Sequence[str]] = {}
        self._begun: dict[_Path, str] = {}

    def find(self, path: _Path) -> Sequence[str]:
        """The ids of all folders at a path, the oldest first; none if there is none."""
        return self._resolved(path, create=False)

    def make(self, path: _Path) -> str:
        """The id of the folder to write to, which is there after this."""
        return self._resolved(path, create=True)[0]

    def note(self, path: _Path, inside: Iterable[Item]) -> None:
        """Remember the folders among all that lies at a path, so that none of them has to be looked for."""
        found: dict[_Path, list[Item]] = {}
        for item in inside:
            if item.is_folder:
                found.setdefault((*path, item.title), []).append(item)
        with self._lock:
            self._known.update({one: [item.id for item in sorted(items, key=oldest)] for one, items in found.items()})

    def forget(self) -> None:
        """Somebody has moved or removed one."""
        with self._lock:
            self._known.clear()

    def _resolved(self, path: _Path, *, create: bool) -> Sequence[str]:
        if not path:
            return ("root",)
        if known := self._known.get(path):
            return known
        with self._lock:
            if known := self._known.get(path):
                return known
            above = self._resolved(path[:-1], create=create)
            found = self._look(above, path) if above else []
            if not found and create:
                made = self._create(above[0], path)
                # Another session may have been faster by a moment, and then that one's is the one to use.
                found = self._look(above, path) or [made]
            if found:
                self._known[path] = found
            return found

    def _look(self, above: Sequence[str], path: _Path) -> list[str]:
        doing = f"look for the folder {'/'.join(path)}"
        found = [
            item
            for item in children(self._line, above, doing, f"mimeType = '{FOLDER}'")
            if item.is_folder and item.title == path[-1]
        ]
        return [item.id for item in sorted(found, key=oldest)]

    def _create(self, parent: str, path: _Path) -> str:
        file_id = self._begun.get(path) or self._begun.setdefault(path, self._ids.new())
        body = {"id": file_id, "title": path[-1], "mimeType": FOLDER, "parents": [{"id": parent}]}
        request = self._line.files.insert(body=body, supportsAllDrives=True, fields="id")
        # Its id is taken if an earlier try has made it, though the answer did not come.
        with contextlib.suppress(Taken):
            self._line.ask(request, f"make the folder {'/'.join(path)}")
        del self._begun[path]
        return file_id


def children(line: Line, parents: Sequence[str], doing: str, condition: str = "") -> Iterator[Item]:
    """What lies directly in these folders and not in the trash."""
    below = " or ".join(f"'{parent}' in parents" for parent in parents)
    query = f"({below}) and trashed = false{' and ' if condition else ''}{condition}"
    token = None
    while True:
        request = line.files.list(
            q=query,
            pageToken=token,
            maxResults=1000,
            supportsAllDrives=True,
            includeItemsFromAllDrives=True,
            fields=f"nextPageToken,items({FIELDS})",
        )
        page = line.ask(request, doing)
        yield from (Item.told(item) for item in page.get("items", []))
        token = page.get("nextPageToken")
        if not token:
            return
