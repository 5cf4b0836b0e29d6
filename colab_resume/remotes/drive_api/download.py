"""From a file to a sink: in requests of a few MiB, since each answer is held whole, and on from where one broke off.

The last bytes are written only after all of them, from the first on, have turned out to have the md5 that Drive told.
Where a sink has got bytes already that may not fit to what would follow, the download is refused and not just
unavailable: who goes on where this one stopped would put two contents together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import BinaryIO

from ...errors import NotThere, Overtaken, RemoteError, RemoteUnavailable
from .files import Files
from .items import Item
from .line import Line
from .pace import Pace
from .refusals import Abusive, Misunderstood
from .tries import Tries

__all__ = ["Download", "Replaced"]


class Replaced(RemoteUnavailable):
    """What was told of the file is no longer so, and nothing has been written yet."""


class Download:
    """The bytes of `item`, which is called `name`, from `offset` on; `run` may be called once."""

    def __init__(
        self,
        line: Line,
        files: Files,
        name: str,
        item: Item,
        offset: int,
        *,
        pace: Pace,
        tries: Tries,
        clock: Callable[[], float],
    ) -> None:
        self._line = line
        self._files = files
        self._item = item
        self._size = item.size or 0
        self._offset = offset
        self._position = offset
        self._pace = pace
        self._tries = tries
        self._clock = clock
        self._doing = f"read {name}"
        self._name = name
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._despite_abuse = False

    def run(self, sink: BinaryIO) -> None:
        while self._position < self._size:
            if (block := self._tried()) is not None:
                self._take(block, sink)
            # Else it would still be held while the next one arrives.
            del block

    def _tried(self) -> bytes | None:
        """What one request brings; after one that failed it waits.

        What came of an answer that was cut off is not used: whether it is of the file, and where, was never told.
        """
        try:
            return self._fetched(min(self._position + self._pace.size, self._size))
        except Replaced:
            raise
        except Abusive:
            if self._despite_abuse:
                raise
            self._despite_abuse = True
            return None
        except RemoteUnavailable as error:
            failure = error
        # Outside the except clauses: what `wait` raises has nothing to do with the failure before it.
        self._pace.broke()
        self._tries.failed(failure)
        return None

    def _take(self, block: bytes, sink: BinaryIO) -> None:
        position = self._position + len(block)
        self._md5.update(block)
        if position == self._size:
            self._check()
        sink.write(block)
        self._position = position
        self._tries.reached(position)

    def _fetched(self, end: int) -> bytes:
        first = self._position
        request = self._line.files.get_media(
            fileId=self._item.id, supportsAllDrives=True, acknowledgeAbuse=self._despite_abuse
        )
        # Else a proxy may pack the bytes, and a range of packed bytes is none of the file.
        headers = {**request.headers, "Range": f"bytes={first}-{end - 1}", "Accept-Encoding": "identity"}
        started = self._clock()
        try:
            answer = self._line.send(request.uri, "GET", None, headers, self._doing)
        except (Misunderstood, NotThere) as error:
            raise self._changed("it was removed or replaced while it was read") from error
        whole = answer.status == 200 and first == 0 and len(answer.body) == self._size
        expected = f"bytes {first}-{end - 1}/{self._size}"
        if not whole and (answer.headers.get("content-range") != expected or len(answer.body) != end - first):
            raise self._changed("it was replaced while it was read")
        self._pace.carried(end - first, self._clock() - started)
        return answer.body

    def _check(self) -> None:
        """All has come: is it one content?"""
        if self._offset == 0:
            if self._item.md5 not in (None, self._md5.hexdigest()):
                raise self._changed("other bytes came than Drive has told the md5 of")
            return
        now = self._files.fetched(self._item.id, self._doing)
        if now is None or (now.revision, now.md5) != (self._item.revision, self._item.md5):
            raise self._changed("it was replaced while it was read")

    def _changed(self, why: str) -> RemoteError:
        what = f"cannot {self._doing}: {why}"
        if self._position == 0:
            self._files.forget(self._name)
            return Replaced(what, hint="it is read again from its beginning")
        return Overtaken(what, hint="read it again from its beginning")
