"""The barest client: one HTTP request, exactly as a test words it, and what came back.

wire = Wire(server)
reply = wire("POST", "drive/v2/files", json={"title": "a"})
assert (reply.status, reply.reason) == (200, None)
"""

from __future__ import annotations

import http.client
import json as codec
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from .server import DriveServer

__all__ = ["Reply", "Wire"]


@dataclass(frozen=True)
class Reply:
    """All of an answer."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return codec.loads(self.body)

    @property
    def reason(self) -> str | None:
        """Google's word for what is wrong, or None."""
        return self.json["error"]["errors"][0]["reason"] if self.status >= 400 else None


class Wire:
    """Each call is one connection; a token is sent unless `token=None`."""

    def __init__(self, server: DriveServer) -> None:
        self._address = urlsplit(server.url).netloc
        self.token: str | None = server.new_token()

    def __call__(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Reply:
        target = urlsplit(target)._replace(scheme="", netloc="").geturl()
        if query:
            target += f"?{urlencode(query, quote_via=quote)}"
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if json is not None:
            body, sent["Content-Type"] = codec.dumps(json).encode(), "application/json; charset=UTF-8"
        with closing(http.client.HTTPConnection(self._address, timeout=10)) as connection:
            connection.request(method, f"/{target.lstrip('/')}", body=body, headers={**sent, **(headers or {})})
            with closing(connection.getresponse()) as response:
                return Reply(response.status, response.headers, response.read())

    def create(self, name: str, content: bytes = b"", *, parent: str = "root") -> str:
        """A file, by v2 and in one request for its name and one for its bytes; its id."""
        made = self("POST", "drive/v2/files", json={"title": name, "parents": [{"id": parent}]}).json["id"]
        if content:
            self("PUT", f"upload/drive/v2/files/{made}", content, uploadType="media")
        return str(made)

    def start(self, metadata: Any, *, length: int | None = None, version: str = "v2") -> str:
        """A resumable session for a new file; its URI."""
        headers = {} if length is None else {"X-Upload-Content-Length": str(length)}
        reply = self("POST", f"upload/drive/{version}/files", json=metadata, headers=headers, uploadType="resumable")
        assert reply.status == 200, reply
        return reply.headers["Location"]

    def chunk(self, session: str, data: bytes, first: int, total: int | str) -> Reply:
        """Without a token: the URI is the permission."""
        place = f"bytes {first}-{first + len(data) - 1}/{total}"
        return self("PUT", session, data, headers={"Content-Range": place, "Authorization": ""})

    def ask(self, session: str, total: int | str = "*") -> Reply:
        return self("PUT", session, headers={"Content-Range": f"bytes */{total}", "Content-Length": "0"})
