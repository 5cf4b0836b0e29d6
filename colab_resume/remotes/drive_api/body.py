"""What one request of an upload carries: a stretch of a source, read while it is sent, a MiB at a time.

An HTTP client that has lost a connection may send its request again by itself. The stretch would be sent blindly then,
whatever has arrived of it; so a body is given out once, a second reader is told that the connection was lost, and the
upload asks how far it has come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator

from ...errors import RemoteUnavailable
from .. import Source
from ..reading import reading

__all__ = ["Body", "RunningMD5", "SourceFailed"]

_BLOCK = 1 << 20


class SourceFailed(RemoteUnavailable):
    """The source gave no bytes, or not as many as it should: nothing that another try of the upload can help."""


class RunningMD5:
    """The md5 of a source whose stretches are sent in order; what is sent twice counts once."""

    def __init__(self) -> None:
        self._digest = hashlib.md5(usedforsecurity=False)
        self._position = 0

    def saw(self, start: int, block: bytes) -> None:
        if start <= self._position < start + len(block):
            self._digest.update(memoryview(block)[self._position - start :])
            self._position = start + len(block)

    def of_all(self, size: int) -> str | None:
        """None if some of it was sent by somebody else."""
        return self._digest.hexdigest() if self._position == size else None


class Body:
    """The bytes from `first` up to `end` of a source that should have `size`."""

    def __init__(self, name: str, source: Source, first: int, end: int, *, size: int, md5: RunningMD5) -> None:
        self._name = name
        self._source = source
        self._first = first
        self._end = end
        self._size = size
        self._md5 = md5
        self._blocks: Generator[bytes, None, None] | None = None

    def __iter__(self) -> Generator[bytes, None, None]:
        if self._blocks is not None:
            raise ConnectionResetError("the connection was lost before an answer came")
        self._blocks = self._read()
        return self._blocks

    def again(self) -> Body:
        """The same stretch, for a request that was answered and has to be repeated."""
        return Body(self._name, self._source, self._first, self._end, size=self._size, md5=self._md5)

    def close(self) -> None:
        """Close the source, also when the sending has stopped half-way."""
        if self._blocks is not None:
            self._blocks.close()

    def _read(self) -> Generator[bytes, None, None]:
        try:
            with reading(self._name), self._source.open(self._first) as stream:
                position = self._first
                while position < self._end:
                    block = stream.read(min(_BLOCK, self._end - position))
                    if not block:
                        raise self._misjudged(f"{position} of {self._size} bytes came")
                    self._md5.saw(position, block)
                    position += len(block)
                    # Looked for before the last bytes go, since with them the upload would be complete.
                    if position == self._size and stream.read(1):
                        raise self._misjudged(f"more than {self._size} bytes came")
                    yield block
        except SourceFailed:
            raise
        except RemoteUnavailable as error:
            raise SourceFailed(error.what, hint=error.hint) from error

    def _misjudged(self, what: str) -> SourceFailed:
        hint = "it is sent again; its source must not change meanwhile"
        return SourceFailed(f"{self._name}: {what} from its source", hint=hint)
