"""What Drive holds for one user: the tree of files, the trash, the quota; the truth that tests look at.

Names are not unique, ids are. A change raises the version by more than one, as on Drive, where it must not be taken for
a counter of one's own changes. Every method may be called from any thread, and what it did is seen at once by `get` and
by lists by parent; lists by name follow later (`names`).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .contents import Blob, Contents
from .items import FOLDER, Item
from .name_index import NameIndex
from .refusals import DriveError, invalid, not_found, quota_exceeded

__all__ = ["Account"]

EMAIL = "someone@example.com"
SERVICE_EMAIL = "robot@project.iam.gserviceaccount.com"


class Account:
    """`quota` and `service_account` may be changed at any time; so may `page_limit`, the most that a list answers."""

    def __init__(self, contents: Contents, clock: Callable[[], float], *, quota: int | None = None) -> None:
        self.lock = threading.RLock()
        self.contents = contents
        self.clock = clock
        self.quota = quota
        self.service_account = False
        self.page_limit = 1000
        self.names = NameIndex(clock)
        self._items: dict[str, Item] = {}
        self._promised: set[str] = set()
        self._used_ids: set[str] = set()
        now = clock()
        self.root = Item(self._new_id("0A"), "My Drive", FOLDER, None, now, now, 1)
        self._items[self.root.id] = self.root

    @property
    def email(self) -> str:
        return SERVICE_EMAIL if self.service_account else EMAIL

    @property
    def name_index_lag(self) -> bool:
        """Whether lists by name learn of changes late; `settle_names` makes them catch up once."""
        return self.names.lags

    @name_index_lag.setter
    def name_index_lag(self, lags: bool) -> None:
        with self.lock:
            self.names.lags = lags

    def settle_names(self) -> None:
        with self.lock:
            self.names.settle()

    # What is there

    @property
    def files(self) -> dict[str, Item]:
        """All but the root, by id, in order of creation; what lies in the trash is among them."""
        with self.lock:
            return {key: item for key, item in self._items.items() if key != self.root.id}

    def get(self, file_id: str) -> Item:
        with self.lock:
            found = self._items.get(self.root.id if file_id == "root" else file_id)
        if found is None:
            raise not_found(file_id)
        return found

    def children(self, parent: str = "root") -> list[Item]:
        with self.lock:
            parent = self.get(parent).id
            return [item for item in self._items.values() if item.parent == parent]

    def find(self, path: str) -> list[Item]:
        """Everything at a path such as `runs/digits/run.json`; several where names are doubled."""
        found = [self.root]
        for name in filter(None, path.split("/")):
            found = [child for parent in found for child in self.children(parent.id) if child.name == name]
        return found

    def content(self, file_id: str) -> bytes:
        blob = self.get(file_id).blob
        return blob.path.read_bytes() if blob else b""

    def is_trashed(self, item: Item) -> bool:
        """By itself, or because a folder above it is."""
        return item.trashed or any(above.trashed for above in self.above(item))

    def above(self, item: Item) -> Iterator[Item]:
        """Nearest first; a file that only the name index still knows may have lost its folders."""
        above = self._items.get(item.parent or "")
        while above is not None:
            yield above
            above = self._items.get(above.parent or "")

    @property
    def trash(self) -> list[Item]:
        return [item for item in self.files.values() if self.is_trashed(item)]

    @property
    def used(self) -> int:
        """What counts against the quota, the trash included."""
        return sum(item.quota_bytes for item in self.files.values())

    # What changes it

    def generate_ids(self, count: int) -> Sequence[str]:
        with self.lock:
            made = [self._new_id("1") for _ in range(count)]
            self._promised.update(made)
        return made

    def check_id(self, file_id: str) -> None:
        """Only ids that were generated here can be used, and only once."""
        with self.lock:
            if file_id in self._used_ids:
                raise DriveError(409, "fileIdInUse", "A file already exists with the provided ID.", "file.id", "other")
            if file_id not in self._promised:
                raise invalid("The provided file ID is not usable.", "file.id")

    def check_room(self, size: int, *, replaced: Item | None = None) -> None:
        """Whether so many more bytes fit, after what they replace is gone."""
        freed = replaced.size if replaced is not None and not replaced.keep_forever else 0
        if self.service_account and size:
            raise DriveError(
                403,
                "storageQuotaExceeded",
                "Service Accounts do not have storage quota. Leverage shared drives, or use OAuth delegation instead.",
                domain="usageLimits",
            )
        if self.quota is not None and size > freed and self.used - freed + size > self.quota:
            raise quota_exceeded()

    def check_parent(self, parent: str, *, child: Item | None = None) -> str:
        """The parent's id; it must be a folder and not lie inside the child."""
        folder = self.get(parent)
        if not folder.is_folder:
            raise DriveError(403, "parentNotAFolder", "The specified parent is not a folder.", "parents")
        if child is not None and child.id in {folder.id, *(each.id for each in self.above(folder))}:
            raise DriveError(403, "cyclicParent", "A folder cannot be moved into itself or below itself.", "parents")
        return folder.id

    def create(self, *, blob: Blob | None = None, file_id: str | None = None, **fields: Any) -> Item:
        with self.lock:
            now = self.clock()
            if file_id is not None:
                self.check_id(file_id)
            self.check_room(blob.size if blob else 0)
            parent = self.check_parent(fields.pop("parent", None) or "root")
            values = {"created": now, "modified": now, "mime": "application/octet-stream", "name": "Untitled", **fields}
            item = Item(file_id or self._new_id("1"), parent=parent, version=1, blob=blob, **values)
            self._used_ids.add(item.id)
            self._items[item.id] = item
            self.names.note(item.id, item)
        return item

    def update(self, file_id: str, *, blob: Blob | None = None, if_match: str = "", **fields: Any) -> Item:
        """`if_match` is the header's value; where it does not hold, nothing changes."""
        with self.lock:
            old = self.get(file_id)
            check_etag(old, if_match)
            if old.id == self.root.id and {"parent", "trashed", "mime"} & fields.keys():
                raise DriveError(403, "insufficientFilePermissions", "The root folder cannot be changed so.")
            if "parent" in fields:
                fields["parent"] = self.check_parent(fields["parent"], child=old)
            if blob is not None:
                self.check_room(blob.size, replaced=old)
                kept = old.kept_bytes + (old.size if old.keep_forever else 0)
                fields = {"keep_forever": False, **fields}
                fields |= {"blob": blob, "revision": old.revision + 1, "kept_bytes": kept}
            if "trashed" in fields:
                fields["trashed_at"] = self.clock() if fields["trashed"] else None
            elif fields:
                fields = {"modified": self.clock(), **fields}
            new = replace(old, **fields, version=old.version + 2)
            self._items[old.id] = new
            self._release(old.blob)
            if new.name != old.name:
                self.names.note(new.id, new)
        return new

    def delete(self, file_id: str, *, if_match: str = "") -> None:
        """For good, with all that is below."""
        with self.lock:
            item = self.get(file_id)
            check_etag(item, if_match)
            if item.id == self.root.id:
                raise DriveError(403, "insufficientFilePermissions", "The root folder cannot be deleted.")
            for child in self.children(item.id):
                self.delete(child.id)
            del self._items[item.id]
            self._release(item.blob)
            self.names.note(item.id, None)

    def touch_version(self, file_id: str) -> Item:
        """Version and etag move by themselves, as they do on Drive."""
        with self.lock:
            item = self.get(file_id)
            self._items[item.id] = replace(item, version=item.version + 1)
            return self._items[item.id]

    def _release(self, blob: Blob | None) -> None:
        """The bytes go when no file has them; a copy may."""
        if blob is not None and all(item.blob is not blob for item in self._items.values()):
            blob.path.unlink(missing_ok=True)

    def _new_id(self, prefix: str) -> str:
        length = 19 if prefix == "0A" else 33
        return (prefix + secrets.token_urlsafe(32))[:length]


def check_etag(item: Item, if_match: str) -> None:
    """412 unless one of the listed etags is the file's."""
    if if_match and if_match.strip() != "*" and item.etag not in {each.strip() for each in if_match.split(",")}:
        raise DriveError(412, "conditionNotMet", "Precondition Failed", "If-Match", "header")
