"""A request before its body is read: what it calls, with which arguments, by whom, and by which host's name.

Method ids are those of the discovery document. Three more are needed to tell apart what it does not name:
`drive.files.get_media` (a download, as googleapiclient calls it), `resumable.put` and `resumable.query` (a chunk for,
and a question to, an upload session), and `oauth2.token`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qsl, urlsplit

from .discovery import VERSIONS, Method, find_method

__all__ = ["Call", "TOKEN_PATHS", "arguments", "read_call"]

TOKEN_PATHS = ("/token", "/oauth2/v4/token", "/oauth2/v3/token", "/o/oauth2/token")
API_PATH = re.compile(rf"(?P<upload>/upload)?/drive/(?P<version>{'|'.join(VERSIONS)})/(?P<rest>.+)")


@dataclass(frozen=True)
class Call:
    """`method` is the HTTP verb that counts (after X-HTTP-Method-Override); `target` is the path with its query."""

    method: str
    target: str
    method_id: str
    headers: Message = field(repr=False)
    query: Mapping[str, str]
    version: str = "v3"
    described: Method | None = None
    path_arguments: Mapping[str, str] = field(default_factory=dict)
    upload: bool = False

    @property
    def session_id(self) -> str | None:
        return self.query.get("upload_id") if self.upload else None

    @property
    def base_url(self) -> str:
        """A name other than loopback's was reached through the proxy that ends TLS."""
        host = self.headers.get("Host", "127.0.0.1")
        scheme = "http" if host.split(":")[0] in {"127.0.0.1", "localhost"} else "https"
        return f"{scheme}://{host}/"


def arguments(text: str) -> dict[str, str]:
    """A query or a form; of a repeated name the last value counts."""
    return dict(parse_qsl(text, keep_blank_values=True))


def read_call(verb: str, target: str, headers: Message) -> Call:
    """Never refuses: what is not known has the method id ''."""
    verb = headers.get("X-HTTP-Method-Override", verb) if verb == "POST" else verb
    parts = urlsplit(target)
    query = arguments(parts.query)
    if parts.path in TOKEN_PATHS:
        return Call(verb, target, "oauth2.token" if verb == "POST" else "", headers, query)
    match = API_PATH.fullmatch(parts.path)
    if match is None:
        return Call(verb, target, "", headers, query)
    version, upload = match["version"], match["upload"] is not None
    if upload and "upload_id" in query:
        asks = headers.get("Content-Range", "").startswith("bytes */")
        method_id = {"PUT": "resumable.put", "POST": "resumable.put", "DELETE": "resumable.cancel"}.get(verb, "")
        method_id = "resumable.query" if asks and method_id == "resumable.put" else method_id
        return Call(verb, target, method_id, headers, query, version, upload=True)
    found = find_method(version, verb, match["rest"])
    if found is None:
        return Call(verb, target, "", headers, query, version, upload=upload)
    method, path_arguments = found
    method_id = f"{method.id}_media" if method.downloads and query.get("alt") == "media" else method.id
    return Call(verb, target, method_id, headers, query, version, method, path_arguments, upload)
