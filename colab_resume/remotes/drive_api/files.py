"""Files: from names to ids, as lists by folder tell them, and remembered.

What is remembered may be wrong at any time, since others write there too; so it is either proved by its id, which
Drive answers at once and truly, or used and then forgotten if Drive says that it is gone. Where one name has several
files, because two clients made it at the same moment, the one that was written last counts.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from ...errors import NotThere, RemoteRefused
from ..folder import check_name
from .folders import Folders, children
from .items import FIELDS, Item, newest
from .line import Line

__all__ = ["Files"]

_MOMENT = 10.0


class Files:
    """Names are the remote's; `root` is the path of its folder below My Drive."""

    def __init__(
        self, line: Line, folders: Folders, root: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = line
        self._folders = folders
        self._root = root
        self._lock = threading.Lock()
        self._known: dict[str, Item] = {}
        self._clock = clock
        self._listed: dict[str, float] = {}
        """When each name was last seen in a listing."""

    def parent(self, name: str) -> str:
        """The folder to write a name to; it is made if need be."""
        return self._folders.make(self._path(name.rpartition("/")[0]))

    def parents(self, name: str) -> Sequence[str]:
        """All folders where a name may lie."""
        return self._folders.find(self._path(name.rpartition("/")[0]))

    def listed(self, folder: str) -> Mapping[str, list[Item]]:
        """All files in a folder by their whole names, asked anew."""
        found: dict[str, list[Item]] = {}
        for item in self._children(folder):
            name = f"{folder}/{item.title}" if folder else item.title
            if item.size is not None and _is_ours(item.title):
                found.setdefault(name, []).append(item)
        with self._lock:
            self._listed.update(dict.fromkeys(found, self._clock()))
            for name in [name for name in self._known if name.rpartition("/")[0] == folder]:
                del self._known[name]
            self._known.update({name: max(items, key=newest) for name, items in found.items()})
        return found

    def folders(self) -> list[str]:
        """The names of the folders directly in the root, asked anew."""
        return sorted({item.title for item in self._children("") if item.is_folder and _is_ours(item.title)})

    def all(self, name: str) -> list[Item]:
        """Every file of a name, asked anew."""
        return self.listed(name.rpartition("/")[0]).get(name, [])

    def just_listed(self, name: str) -> Item | None:
        """The file of a name as it was in a listing a moment ago; nothing is asked."""
        listed = self._listed.get(name, -math.inf)
        return self._known.get(name) if self._clock() - listed < _MOMENT else None

    def somewhere(self, name: str) -> Item | None:
        """The file of a name as it is remembered; asked for if it is not."""
        if (known := self._known.get(name)) is not None:
            return known
        return max(self.all(name), key=newest, default=None)

    def now(self, name: str) -> Item | None:
        """The file of a name as it is now."""
        if (known := self._known.get(name)) is not None:
            item = self.fetched(known.id, f"look for {name}")
            if item is not None and not item.trashed and set(item.parents) & set(known.parents):
                self.note(name, item)
                return item
            self.forget(name)
        return max(self.all(name), key=newest, default=None)

    def fetched(self, file_id: str, doing: str) -> Item | None:
        request = self._line.files.get(fileId=file_id, supportsAllDrives=True, fields=FIELDS)
        try:
            return Item.told(self._line.ask(request, doing))
        except NotThere:
            return None

    def delete(self, file_id: str, doing: str) -> None:
        """For good; if it is gone, all is well."""
        with contextlib.suppress(NotThere):
            self._line.ask(self._line.files.delete(fileId=file_id, supportsAllDrives=True), doing)

    def note(self, name: str, item: Item) -> None:
        with self._lock:
            self._known[name] = item

    def forget(self, name: str, *, folders: bool = False) -> None:
        with self._lock:
            self._known.pop(name, None)
            self._listed.pop(name, None)
        if folders:
            self._folders.forget()

    def _children(self, folder: str) -> list[Item]:
        """What is remembered of the folders is doubted where it shows nothing: they may have been moved or removed."""
        path = self._path(folder)
        for _ in range(2):
            parents = self._folders.find(path)
            try:
                found = list(children(self._line, parents, f"list {'/'.join(path)}")) if parents else []
                self._folders.note(path, found)
            except NotThere:
                found = []
            if found or not parents:
                break
            self._folders.forget()
        return found

    def _path(self, folder: str) -> tuple[str, ...]:
        return (*self._root, *(folder.split("/") if folder else ()))


def _is_ours(title: str) -> bool:
    """On Drive a file may have any name, also with a slash in it; those are no objects of a remote."""
    try:
        check_name(title)
    except RemoteRefused:
        return False
    return "/" not in title
