"""What a user may give to be known by, and the token that is made from it.

Nothing, which means what the machine offers (`google.auth.default`: on Colab after `auth.authenticate_user()`);
credentials of google-auth or of oauth2client; a `GoogleAuth` or a `GoogleDrive` of PyDrive2, whose credentials are
taken and which is not changed; the path of a JSON file of a service account or of an authorized user.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import RemoteError, RemoteUnavailable, UsageError
from .bearer import Bearer, Keys
from .refusals import SignedOut

__all__ = ["bearer_of", "check_packages"]

SCOPES = ("https://www.googleapis.com/auth/drive",)

_SIGN_IN = "authenticate first, on Colab: from google.colab import auth; auth.authenticate_user()"
_KINDS = "give credentials of google-auth or oauth2client, a GoogleAuth, a GoogleDrive, or the path of a JSON file"
_FILES = "give the JSON file of a service account, or application_default_credentials.json"


def check_packages() -> None:
    """Say it in one line if a library is missing; some of Colab's machines come without."""
    try:
        import google_auth_httplib2  # noqa: F401
        import googleapiclient.discovery  # noqa: F401
        import pydrive2.auth  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"Drive's API needs a package that is not here: {error}", hint='%pip install "colab-resume[drive]"'
        ) from error


def bearer_of(given: object) -> Bearer:
    """The token that belongs to whatever was given."""
    return Bearer(_keys_of(given))


def _keys_of(given: object) -> Keys:
    import google.auth.credentials
    import oauth2client.client
    import pydrive2.auth
    import pydrive2.drive

    if given is None:
        return _GoogleAuthKeys(_default())
    if isinstance(given, (str, Path)):
        return _GoogleAuthKeys(_from_file(Path(given)))
    if isinstance(given, pydrive2.drive.GoogleDrive):
        given = given.auth
    if isinstance(given, pydrive2.auth.GoogleAuth):
        given = given.credentials
        if given is None:
            raise UsageError("this GoogleAuth has no credentials yet", hint="call its LocalWebserverAuth() before")
    if isinstance(given, google.auth.credentials.Credentials):
        return _GoogleAuthKeys(google.auth.credentials.with_scopes_if_required(given, SCOPES))
    if isinstance(given, oauth2client.client.OAuth2Credentials):
        # Only those kinds have it that may come without a scope.
        needs_scopes = getattr(given, "create_scoped_required", bool)
        return _Oauth2clientKeys(given.create_scoped(SCOPES) if needs_scopes() else given)
    raise UsageError(f"a {type(given).__name__} is no credentials for Drive", hint=_KINDS)


def _default() -> Any:
    import google.auth
    import google.auth.exceptions

    try:
        credentials, _ = google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.GoogleAuthError as error:
        raise UsageError("this machine has no credentials of Google's", hint=_SIGN_IN) from error
    return credentials


def _from_file(path: Path) -> Any:
    """Only two kinds are read: other ones can name a program to be run, or an address to be asked."""
    import google.oauth2.credentials
    import google.oauth2.service_account

    try:
        told = json.loads(path.read_bytes())
        match told["type"]:
            case "service_account":
                return google.oauth2.service_account.Credentials.from_service_account_info(told, scopes=SCOPES)
            case "authorized_user":
                return google.oauth2.credentials.Credentials.from_authorized_user_info(told)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", hint=_FILES) from error
    except (KeyError, TypeError, ValueError):
        # Not told what came before: an error of a parser shows the text, and the text is a key.
        raise UsageError(f"{path} holds no credentials of Google's", hint=_FILES) from None
    raise UsageError(f"{path} holds credentials of another kind", hint=_FILES)


class _GoogleAuthKeys:
    """google-auth's."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def token(self) -> str | None:
        return self._credentials.token if self._credentials.valid else None

    def renew(self, http: Any) -> None:
        import google.auth.exceptions
        from google_auth_httplib2 import Request

        try:
            self._credentials.refresh(Request(http))
        except google.auth.exceptions.GoogleAuthError as error:
            passing = isinstance(error, google.auth.exceptions.TransportError) or error.retryable
            raise _no_token(passing=passing) from error

    def sign(self, headers: dict[str, str]) -> None:
        self._credentials.apply(headers)


class _Oauth2clientKeys:
    """oauth2client's: what PyDrive2 makes, and what older notebooks do."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def token(self) -> str | None:
        return None if self._credentials.access_token_expired else self._credentials.access_token

    def renew(self, http: Any) -> None:
        from oauth2client.client import Error, HttpAccessTokenRefreshError

        try:
            self._credentials.refresh(http)
        except Error as error:
            status = error.status if isinstance(error, HttpAccessTokenRefreshError) else None
            raise _no_token(passing=status is not None and int(status) >= 500) from error

    def sign(self, headers: dict[str, str]) -> None:
        self._credentials.apply(headers)


def _no_token(*, passing: bool) -> RemoteError:
    if passing:
        return RemoteUnavailable("Google gives no new access token just now", hint="trying again can help")
    return SignedOut("Google gives no new access token: these credentials have ended")
