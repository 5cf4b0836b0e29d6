"""The line to Drive: requests go out signed, answers come back as values, and what goes wrong as our own errors.

The service is PyDrive2's, made from the description of Drive's API that is shipped with its client, so nothing is
looked up and every address follows `root_url`. A connection is used by one thread at a time, has a time limit, and is
closed for good after a failure, since what comes on it next could belong to the request before. The token goes to
`root_url` and to nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from typing import Any

from ...errors import RemoteUnavailable, UsageError
from .addresses import is_safe
from .bearer import Bearer
from .refusals import lost, refusal

__all__ = ["Answer", "Line", "told"]

_TIMEOUT = 60.0


@dataclass(frozen=True)
class Answer:
    """Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """`service` makes requests, `ask` sends one and reads its answer, `send` is for what the service does not know."""

    def __init__(self, bearer: Bearer, root_url: str) -> None:
        if not is_safe(root_url):
            raise UsageError(f"root_url={root_url!r} would show the token to others", hint="use an https:// address")
        import googleapiclient.discovery
        import googleapiclient.discovery_cache
        from pydrive2.auth import GoogleAuth

        self._root_url = root_url.rstrip("/") + "/"
        description = json.loads(googleapiclient.discovery_cache.get_static_doc("drive", "v2"))
        description["rootUrl"] = self._root_url
        description.pop("mtlsRootUrl", None)
        # Its own default is a settings file in the working directory, which may be anybody's.
        self._auth = GoogleAuth(settings_file=None, http_timeout=_TIMEOUT)
        self._auth.credentials = _Signing(bearer, self._root_url)
        self.service = googleapiclient.discovery.build_from_document(description, http=self._auth.Get_Http_Object())
        self._auth.service = self.service
        self._idle: list[Any] = []
        weakref.finalize(self, _close, self._idle)

    @cached_property
    def files(self) -> Any:
        """The service's methods for files; to describe them anew for each request takes longer than to ask it."""
        return self.service.files()

    def ask(self, request: Any, doing: str, **headers: str) -> Any:
        """Send one of the service's requests; what its answer holds, an empty one for None."""
        answer = self.send(request.uri, request.method, request.body, {**request.headers, **headers}, doing)
        return told(answer, doing)

    def send(self, address: str, method: str, body: Any, headers: Mapping[str, str], doing: str) -> Answer:
        """An answer of 400 or more is an error; so are what never came and what came in part."""
        with self._connection(doing) as connection:
            response, content = connection.request(address, method=method, body=body, headers=dict(headers))
        if response.status >= 400:
            raise refusal(response.status, response, content, doing)
        return Answer(response.status, response, content)

    @contextlib.contextmanager
    def _connection(self, doing: str) -> Iterator[Any]:
        import httplib2

        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._auth.Get_Http_Object()
        try:
            yield connection
        except BaseException as error:
            connection.close()
            if isinstance(error, (OSError, HTTPException, httplib2.HttpLib2Error)):
                raise lost(error, doing) from error
            raise
        self._idle.append(connection)


class _Signing:
    """Stands where PyDrive2 expects credentials of oauth2client."""

    refresh_token = None
    access_token_expired = False

    def __init__(self, bearer: Bearer, root_url: str) -> None:
        self._bearer = bearer
        self._root_url = root_url

    def authorize(self, http: Any) -> _Connection:
        return _Connection(http, self._bearer, self._root_url)

    def set_store(self, store: object) -> None:
        """There is none: the token is kept by whoever gave it."""


class _Connection:
    """An `httplib2.Http` that signs; after a 401 it asks once more with a new token."""

    def __init__(self, http: Any, bearer: Bearer, root_url: str) -> None:
        self._http = http
        self._bearer = bearer
        self._root_url = root_url

    def request(self, address: str, *, method: str, body: Any, headers: Mapping[str, str]) -> tuple[Any, bytes]:
        signed, token = self._signed(address, headers)
        response, content = self._http.request(address, method, body=body, headers=signed)
        if response.status == 401 and token is not None:
            self._bearer.renew(token, self._http)
            again = getattr(body, "again", None)
            signed, _ = self._signed(address, headers)
            response, content = self._http.request(address, method, body=again() if again else body, headers=signed)
        return response, content

    def close(self) -> None:
        self._http.close()

    def _signed(self, address: str, headers: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
        signed = dict(headers)
        ours = address.startswith(self._root_url)
        return signed, self._bearer.sign(signed, self._http) if ours else None


def told(answer: Answer, doing: str) -> Any:
    """The JSON of an answer; a gateway on the way can answer 200 with a page of its own."""
    if not answer.body:
        return {}
    try:
        return json.loads(answer.body)
    except ValueError as error:
        hint = "trying again can help; if it lasts, something between here and Google answers in its place"
        raise RemoteUnavailable(f"cannot {doing}: the answer is not Drive's", hint=hint) from error


def _close(idle: list[Any]) -> None:
    while idle:
        idle.pop().close()
