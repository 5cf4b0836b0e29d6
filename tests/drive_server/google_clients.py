"""Google's own client and PyDrive2, as they are published, led to the server by nothing but the root URL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.oauth2.credentials
import google_auth_httplib2
from googleapiclient import discovery_cache
from googleapiclient.discovery import build_from_document
from pydrive2.auth import GoogleAuth
from pydrive2.drive import GoogleDrive

from .server import DriveServer

__all__ = ["Credentials", "credentials", "google_service", "pydrive"]


def credentials(server: DriveServer) -> google.oauth2.credentials.Credentials:
    """They have no token yet and must fetch one."""
    return google.oauth2.credentials.Credentials(
        None, refresh_token=server.refresh_token, token_uri=server.token_uri, client_id="me", client_secret="secret"
    )


def described(server: DriveServer, version: str) -> dict[str, Any]:
    """The discovery document that ships with googleapiclient, with another root."""
    document: dict[str, Any] = json.loads(discovery_cache.get_static_doc("drive", version))
    document["rootUrl"] = server.url
    del document["mtlsRootUrl"]
    return document


@contextmanager
def google_service(server: DriveServer, version: str) -> Iterator[Any]:
    """googleapiclient's service."""
    service = build_from_document(described(server, version), credentials=credentials(server))
    try:
        yield service
    finally:
        service.close()


class Credentials:
    """google-auth's credentials with the members that PyDrive2 looks for."""

    refresh_token = None
    access_token_expired = False

    def __init__(self, inner: google.oauth2.credentials.Credentials) -> None:
        self._inner = inner
        self.opened: list[google_auth_httplib2.AuthorizedHttp] = []

    def authorize(self, http: Any) -> google_auth_httplib2.AuthorizedHttp:
        self.opened.append(google_auth_httplib2.AuthorizedHttp(self._inner, http=http))
        return self.opened[-1]

    def set_store(self, store: Any) -> None:
        """There is nothing to be stored."""


@contextmanager
def pydrive(server: DriveServer) -> Iterator[GoogleDrive]:
    """PyDrive2, whose source is not touched."""
    made = Credentials(credentials(server))
    auth = GoogleAuth(http_timeout=10)
    auth.credentials = made
    auth.http = made.authorize(auth._build_http())
    auth.service = build_from_document(described(server, "v2"), http=auth.http)
    try:
        yield GoogleDrive(auth)
    finally:
        for http in made.opened:
            http.close()
