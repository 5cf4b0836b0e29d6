"""Compare-and-swap, for a lease: a file's content is replaced only if it is still what was read.

Drive holds the etag that was read against the file's own. An etag also moves by itself, and an answer can be lost; so
after a refusal the content tells what has happened. Contents must differ for that: each writer puts a word of its own
in. Creation cannot be conditional on Drive, so after it everybody looks, and the oldest file of the name counts.
"""

from __future__ import annotations

import contextlib
import hashlib

from ...errors import NotThere, Overtaken, RemoteRefused, RemoteUnavailable
from .files import Files
from .ids import Ids
from .items import Item, oldest
from .line import Line
from .refusals import Taken
from .whole import Target, send_data

__all__ = ["Tagged"]

_TRIES = 5
_READ_AGAIN = "read it again; somebody else has changed it"


class Tagged:
    """A tag is a word to be given back as it is: id, md5 and etag of what was read."""

    def __init__(self, line: Line, files: Files, ids: Ids) -> None:
        self._line = line
        self._files = files
        self._ids = ids

    def read(self, name: str) -> tuple[bytes, str] | None:
        """The content and its tag; None if there is no such file."""
        for _ in range(_TRIES):
            item = min(self._files.all(name), key=oldest, default=None)
            if item is None:
                return None
            request = self._line.files.get_media(fileId=item.id, supportsAllDrives=True)
            headers = {**request.headers, "Accept-Encoding": "identity"}
            try:
                content = self._line.send(request.uri, "GET", None, headers, f"read {name}").body
            except NotThere:
                continue
            if _md5(content) == item.md5:
                return content, _tag(item)
        raise RemoteUnavailable(f"cannot read {name}: it is always being replaced", hint="trying again can help")

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        """Replace what the tag stands for, or with None create the file; the new tag, or `Overtaken`."""
        return self._created(name, data) if tag is None else self._replaced(name, data, tag)

    def _created(self, name: str, data: bytes) -> str:
        if self._files.all(name):
            raise Overtaken(f"{name} is there already", hint=_READ_AGAIN)
        target = Target(name, self._ids.new(), self._files.parent(name), is_new=True)
        # The id is taken if the same request has been there before, and its answer was lost.
        with contextlib.suppress(Taken):
            self._sent(target, data)
        first = min(self._files.all(name), key=oldest, default=None)
        if first is not None and first.id == target.file_id:
            return _tag(first)
        self._files.delete(target.file_id, f"take back {name}")
        raise Overtaken(f"{name} was made by somebody else a moment before", hint=_READ_AGAIN)

    def _replaced(self, name: str, data: bytes, tag: str) -> str:
        file_id, read, etag = _untagged(tag)
        for _ in range(_TRIES):
            try:
                return _tag(self._sent(Target(name, file_id, "", is_new=False), data, etag))
            except (NotThere, Overtaken) as error:
                now = self._files.fetched(file_id, f"look for {name}")
                if now is not None and not now.trashed and now.md5 == _md5(data):
                    return _tag(now)
                if now is None or now.trashed or now.md5 != read:
                    raise Overtaken(f"{name} has been changed by somebody else", hint=_READ_AGAIN) from error
                etag = now.etag
        raise RemoteUnavailable(f"cannot store {name}: its etag always moves", hint="trying again can help")

    def _sent(self, target: Target, data: bytes, etag: str = "") -> Item:
        return send_data(self._line, target, data, **({"If-Match": etag} if etag else {}))


def _tag(item: Item) -> str:
    return f"{item.id} {item.md5} {item.etag}"


def _untagged(tag: str) -> tuple[str, str, str]:
    parts = tag.split(" ", 2)
    if len(parts) != 3:
        raise RemoteRefused("this is no tag of read_tagged or swap", hint="give the tag back as it was")
    return parts[0], parts[1], parts[2]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
