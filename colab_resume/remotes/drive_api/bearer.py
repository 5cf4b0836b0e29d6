"""The token that opens the account: one for all threads, renewed by one at a time.

Neither google-auth nor oauth2client may be asked for a new token by two threads at once, so all of it happens under one
lock; who waited there finds the new token.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

__all__ = ["Bearer", "Keys"]


class Keys(Protocol):
    """Credentials of either library."""

    def token(self) -> str | None:
        """The access token; None if there is none, or it has expired."""
        ...

    def renew(self, http: Any) -> None:
        """Get a new token with an `httplib2.Http`; says `RemoteError` if there is none to be had."""
        ...

    def sign(self, headers: dict[str, str]) -> None:
        """Add the token."""
        ...


class Bearer:
    """Signs requests; nothing of what it holds is ever shown."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lock = threading.Lock()

    def sign(self, headers: dict[str, str], http: Any) -> str | None:
        """Add a token to the headers; the answer is that token."""
        with self._lock:
            if self._keys.token() is None:
                self._keys.renew(http)
            self._keys.sign(headers)
            return self._keys.token()

    def renew(self, refused: str | None, http: Any) -> None:
        """The server did not take this token; if it is still ours, get another one."""
        with self._lock:
            if self._keys.token() in (None, refused):
                self._keys.renew(http)
