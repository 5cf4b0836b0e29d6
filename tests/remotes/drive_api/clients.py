"""Clients of the server that stands in for Drive, sources that misbehave, and what the server saw."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

from drive_server.items import Item
from drive_server.server import DriveServer

from colab_resume.remotes.drive_api import DriveAPI

__all__ = [
    "CHUNK",
    "FOLDER",
    "Interrupting",
    "bodies_received",
    "calls",
    "client",
    "credentials",
    "md5",
    "only_file",
    "session_ids",
]

FOLDER = "runs/here"
CHUNK = 256 << 10


def credentials(server: DriveServer, token: str | None = None) -> Any:
    """A person's, whose token can be renewed."""
    from google.oauth2.credentials import Credentials

    return Credentials(
        token or server.new_token(),
        refresh_token=server.refresh_token,
        token_uri=server.token_uri,
        client_id="client",
        client_secret="a secret of the client",
    )


def client(server: DriveServer, wait: Callable[[float], None] | None = None, **options: Any) -> DriveAPI:
    """A client of its own, which takes the server's clock for time and its waits for waiting."""
    options = {"credentials": credentials(server), "root_url": server.url, "chunk": CHUNK, **options}
    return DriveAPI(FOLDER, wait=wait or server.wait, clock=server.clock, **options)


def calls(server: DriveServer, method_id: str) -> int:
    """How many requests of a kind there were."""
    return sum(line.method_id == method_id for line in server.log)


def bodies_received(server: DriveServer) -> int:
    """How many bytes of chunks came."""
    return sum(line.received for line in server.log if line.method_id == "resumable.put")


def only_file(server: DriveServer, name: str) -> Item:
    """The one file of a name; a test that finds two has found a duplicate."""
    (item,) = server.account.find(f"{FOLDER}/{name}")
    return item


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def session_ids(server: DriveServer) -> set[str]:
    """What opens an upload to whoever knows it."""
    return {found[1] for line in server.log if (found := re.search(r"upload_id=([\w-]+)", line.path))}


class Interrupting:
    """A source that is interrupted by the user while it is read behind some byte, once."""

    def __init__(self, data: bytes, after: int) -> None:
        self._data = data
        self._after: int | None = after

    @property
    def size(self) -> int:
        return len(self._data)

    def open(self, offset: int = 0) -> BinaryIO:
        return _Watched(self._data, offset, self._tell)

    def _tell(self, position: int) -> None:
        if self._after is not None and position > self._after:
            self._after = None
            raise KeyboardInterrupt


class _Watched(BytesIO):
    def __init__(self, data: bytes, offset: int, tell: Callable[[int], None]) -> None:
        super().__init__(data)
        self.seek(offset)
        self._tell_position = tell

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._tell_position(self.tell())
        return block
