"""Reading a source for an upload: exactly its size, in bounded memory, its failures kept apart from the remote's."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

from ..errors import RemoteUnavailable
from . import Source

__all__ = ["blocks", "md5_of", "reading"]

_BLOCK = 1 << 20


def blocks(name: str, source: Source, size: int) -> Iterator[bytes]:
    """All of `source`, never more than `size`; if that is not what it holds, the last step raises."""
    given = 0
    with reading(name), source.open() as stream:
        while given <= size and (block := stream.read(_BLOCK)):
            given += len(block)
            if given <= size:
                yield block
    if given != size:
        raise RemoteUnavailable(
            f"{name}: {'more than ' if given > size else f'{given} of '}{size} bytes came from its source",
            hint="it is sent again; its source must not change meanwhile",
        )


def md5_of(name: str, source: Source, size: int) -> str:
    """The md5, in hex, of what `blocks` gives."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks(name, source, size):
        digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """The full or broken disk of a source says nothing about the remote."""
    try:
        yield
    except OSError as error:
        what = f"{name}: its source cannot be read: {error.strerror or error}"
        raise RemoteUnavailable(what, hint="see whether the local file is there") from error
