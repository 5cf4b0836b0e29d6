"""What Drive says when it will not, in our own errors: whether it passes, and what a user can do.

Drive's text is passed on, the address that was asked is not: an upload session's address is a key to it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...errors import NotThere, Overtaken, RemoteError, RemoteFull, RemoteRefused, RemoteUnavailable

__all__ = ["Abusive", "Misunderstood", "SignedOut", "Taken", "lost", "refusal"]

_AGAIN = "trying again can help; if it lasts, look at https://www.google.com/appsstatus"
_DAY = "trying again can help; if it lasts for hours: did this account upload its daily limit of 750 GB?"
_SIGN_IN = "authenticate again, on Colab: from google.colab import auth; auth.authenticate_user()"
_RIGHTS = "use credentials that may edit this folder, with the scope https://www.googleapis.com/auth/drive"
_CLOUD = "enable the Google Drive API in the Google Cloud project of these credentials"
_SERVICE = "a service account cannot store anything of its own: use the credentials of a person, or delegation"
_FULL = "delete old checkpoints or other files on Drive and empty its trash, or buy space; then it goes on"
_TOO_MANY = "a limit of Drive's: delete old checkpoints, or use another folder"
_TOO_DEEP = "folders on Drive may lie 100 deep: use a folder further up"
_ASKED = "Drive does not take this request; see its words above"

_PASSING = frozenset({"backendError", "internalError", "rateLimitExceeded", "sharingRateLimitExceeded"})
_HINTS: Mapping[str, str] = {
    **dict.fromkeys(("accessNotConfigured", "SERVICE_DISABLED"), _CLOUD),
    **dict.fromkeys(
        (
            "appNotAuthorizedToFile",
            "domainPolicy",
            "forbidden",
            "insufficientFilePermissions",
            "insufficientPermissions",
        ),
        _RIGHTS,
    ),
    **dict.fromkeys(
        ("activeItemCreationLimitExceeded", "numChildrenInNonRootLimitExceeded", "teamDriveFileLimitExceeded"),
        _TOO_MANY,
    ),
    **dict.fromkeys(("myDriveHierarchyDepthLimitExceeded", "teamDriveHierarchyTooDeep"), _TOO_DEEP),
    "dailyLimitExceeded": "the Google Cloud project has used up its requests of today; it goes on tomorrow",
}


class SignedOut(RemoteRefused):
    """The token is not taken, and there is no other; what was under way can go on after the next login."""

    def __init__(self, what: str, *, hint: str = _SIGN_IN) -> None:
        super().__init__(what, hint=hint)


class Taken(RemoteRefused):
    """A file has the id already: an earlier try has succeeded."""


class Misunderstood(RemoteRefused):
    """Any other fault of the request."""


class Abusive(RemoteRefused):
    """Drive takes the file for malware, and gives it only to who says that he knows."""


def lost(error: Exception, doing: str) -> RemoteUnavailable:
    """The connection failed. Of foreign errors only the kind is told: their text may hold the address."""
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return RemoteUnavailable(f"cannot {doing}: {why}", hint="trying again can help; if it lasts, look at the network")


def refusal(status: int, headers: Mapping[str, str], body: bytes, doing: str) -> RemoteError:
    """What an answer of 400 or more means."""
    reason, message = _told(body)
    what = f"cannot {doing}: {message or 'no reason given'} ({' '.join(filter(None, (str(status), reason)))})"
    if reason == "userRateLimitExceeded":
        return _busy(what, headers, _DAY)
    if status in (408, 429) or status >= 500 or reason in _PASSING:
        return _busy(what, headers, _AGAIN)
    if reason in ("quotaExceeded", "storageQuotaExceeded"):
        if "service account" in message.lower():
            return RemoteRefused(what, hint=_SERVICE)
        return RemoteFull(what, hint=_FULL)
    if status == 401:
        return SignedOut(what)
    if reason == "cannotDownloadAbusiveFile":
        return Abusive(what, hint="Drive takes this file for malware; look at it on drive.google.com")
    if status in (404, 410):
        return NotThere(what, hint="list the folder to see what is")
    if status == 409:
        return Taken(what, hint=_ASKED)
    if status == 412:
        return Overtaken(what, hint="read it again; somebody else has changed it")
    if status == 403:
        return RemoteRefused(what, hint=_HINTS.get(reason, _RIGHTS))
    return Misunderstood(what, hint=_ASKED)


def _busy(what: str, headers: Mapping[str, str], hint: str) -> RemoteUnavailable:
    error = RemoteUnavailable(what, hint=hint)
    asked = headers.get("retry-after", "")
    error.retry_after = float(asked) if asked.isdecimal() else 0.0
    return error


def _told(body: bytes) -> tuple[str, str]:
    """The reason and the words of an error's body; a gateway on the way may have sent anything instead."""
    try:
        error = json.loads(body)["error"]
        detail = _first(error.get("errors")) or _first(error.get("details"))
        return str(detail.get("reason", "")), str(error.get("message", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        return "", ""


def _first(details: Any) -> Mapping[str, Any]:
    return details[0] if details else {}
