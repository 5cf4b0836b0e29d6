"""What goes wrong inside an fsspec file system, said as `RemoteUnavailable`, `RemoteRefused` or `RemoteFull`.

Each file system raises what its own libraries raise, so this looks at what they have in common: the standard classes of
exceptions, an HTTP status somewhere in the chain of causes, a few names. None of those libraries is imported. What
cannot be recognised counts as passing: trying again costs a minute, giving up costs checkpoints.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Mapping

from ..errors import ColabResumeError, RemoteFull, RemoteRefused, RemoteUnavailable

__all__ = ["attempt"]

_AGAIN = "trying again can help; if it lasts, see whether the network is up and the service has no outage"
_MISSING = "create the bucket or folder, or correct its name in the URL"
_RIGHTS = "give credentials that are valid and have not expired, with the right to list, read, write and delete there"
_FULL = "the remote is full: delete old checkpoints or other files there, then it goes on"
_NAME = "a file or folder is in its way, or the name is too long; use another folder"
_ASKED = "see whether the URL and its options are right, and whether this file system can be written to"

# Permanent by their status (4xx), and yet passing: the upload was hurt on its way, or aborted by somebody.
_PASSING_CODES = frozenset({"BadDigest", "IncompleteBody", "NoSuchUpload", "RequestTimeout"})
_PASSING_STATUS = frozenset({408, 409, 425, 429})
_CLIENT_ERRORS = range(400, 500)
_NOT_IMPLEMENTED = 501

# Nothing has been sent yet, so there is no status; and they share no class but Exception.
_NO_CREDENTIALS = frozenset({"DefaultCredentialsError", "NoCredentialsError", "PartialCredentialsError"})

_MEANT_OTHERWISE = (NotImplementedError, TypeError, ValueError)
_HINTS: Mapping[int, str] = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _FULL),
    errno.EROFS: _RIGHTS,
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP), _NAME),
}


@contextlib.contextmanager
def attempt(doing: str) -> Iterator[None]:
    """Whatever is raised inside leaves as a `RemoteError` that tells what was being done; what a source says of itself
    is passed on."""
    try:
        yield
    except ColabResumeError:
        raise
    except Exception as error:
        what = f"cannot {doing}: {type(error).__name__}: {error}"
        if (hint := _why_permanent(error)) is None:
            raise RemoteUnavailable(what, hint=_AGAIN) from error
        kind = RemoteFull if hint is _FULL else RemoteRefused
        raise kind(what, hint=hint) from error


def _why_permanent(error: Exception) -> str | None:
    """The hint for what only somebody can change; None if it is passing."""
    if isinstance(error, (ConnectionError, TimeoutError)) or _code(error) in _PASSING_CODES:
        return None
    status = _status(error)
    # gcsfs makes a plain OSError of a 403, with nothing but its text.
    forbidden = isinstance(error, PermissionError) or status in (401, 403) or str(error).startswith("Forbidden")
    if forbidden or type(error).__name__ in _NO_CREDENTIALS:
        return _RIGHTS
    if isinstance(error, FileNotFoundError) or status == 404:
        return _MISSING
    if status is not None:
        refused = status in _CLIENT_ERRORS and status not in _PASSING_STATUS
        return _ASKED if refused or status == _NOT_IMPLEMENTED else None
    if isinstance(error, OSError):
        # fsspec raises some of them with a text alone, so the class has to do.
        in_its_way = isinstance(error, (FileExistsError, IsADirectoryError, NotADirectoryError))
        return _HINTS.get(error.errno or 0, _NAME if in_its_way else None)
    return _ASKED if isinstance(error, _MEANT_OTHERWISE) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _status(error: Exception) -> int | None:
    """An HTTP error's status: `code` (gcsfs), `status` (aiohttp), in `response` (botocore, requests)."""
    for found in _chain(error):
        response = getattr(found, "response", None)
        if isinstance(response, Mapping):
            candidates = [response.get("ResponseMetadata", {}).get("HTTPStatusCode")]
        else:
            candidates = [getattr(response, "status_code", None)]
        candidates += [getattr(found, "code", None), getattr(found, "status", None)]
        for candidate in candidates:
            if str(candidate).isdecimal() and int(candidate) >= _CLIENT_ERRORS.start:
                return int(candidate)
    return None


def _code(error: Exception) -> str | None:
    """The name that S3 gives to an error, which says more than its status."""
    for found in _chain(error):
        response = getattr(found, "response", None)
        if isinstance(response, Mapping):
            return str(response.get("Error", {}).get("Code"))
    return None
