"""Every way in which Drive's API fails: what it answers, and what becomes of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drive_server import faults
from drive_server.faults import Effect, Match
from reliability.by_api import APIPlace
from reliability.faults import Fault

__all__ = ["API_FAULTS", "APIFault"]

_ANY = Match(where=lambda call: call.method_id != "oauth2.token")
_TOKENS = Match("oauth2.token")
_DATA = Match(where=lambda call: call.method_id.startswith("drive."))
_STORES = Match(where=lambda call: call.upload)
_SMALL = Match(where=lambda call: call.upload and call.query.get("uploadType") == "multipart")
_CHUNKS = Match("resumable.put")
_GETS = Match("drive.files.get_media")


@dataclass(frozen=True, kw_only=True)
class APIFault(Fault[APIPlace]):
    """`effect` is what requests that `match` meet; once, and so often that no patience outlasts it.

    `harms_restore`: in a restore it is taken for damage, or it damages for a moment what a restore may read.
    """

    effect: Effect | None = None
    match: Match = _ANY
    harms_restore: bool = False


def _nothing(place: APIPlace) -> None:
    """It passes by itself, or was there all the time."""


def _clear(place: APIPlace) -> None:
    place.server.faults.clear()


def _passing(row: str, effect: Effect, name: str = "", match: Match = _ANY, **options: Any) -> APIFault:
    return APIFault(row=row, name=name, effect=effect, match=match, begin=_nothing, end=_nothing, **options)


def _lasting(row: str, effect: Effect, until: str, match: Match, **options: Any) -> APIFault:
    given = {"refused": True, **options}
    return APIFault(row=row, effect=effect, match=match, until=until, begin=_nothing, end=_clear, **given)


def _refuses(
    row: str, status: int, reason: str, retry_after: int | None = None, match: Match = _ANY, **options: Any
) -> APIFault:
    effect = faults.Refuse(status, reason, "Words of Drive's.", retry_after)
    return _passing(row, effect, f"{status} {reason}".strip(), match, **options)


def _lag(place: APIPlace) -> None:
    place.server.account.names.lists, place.server.account.names.seconds = 10**9, 1e9


_RESTORE = "restore on a new VM"
_LOST = "a connection that breaks"
_DONE = "done, but the answer is an error or never comes"
_SESSION = "the upload session is gone"
_CORRUPT = "bytes that change on the way"

API_FAULTS: tuple[APIFault, ...] = (
    APIFault(
        row="no connection",
        effect=faults.CloseBefore(),
        begin=_nothing,
        end=_nothing,
    ),
    _refuses("Drive answers 500, 502, 503 or 504", 500, "internalError"),
    _refuses("Drive answers 500, 502, 503 or 504", 502, ""),
    _refuses("Drive answers 500, 502, 503 or 504", 503, "backendError"),
    _refuses("Drive answers 500, 502, 503 or 504", 504, ""),
    _refuses("too many requests in a short time", 403, "rateLimitExceeded"),
    _refuses("too many requests in a short time", 403, "userRateLimitExceeded"),
    _refuses("too many requests in a short time", 429, "rateLimitExceeded", retry_after=7),
    _passing("more uploaded in a day than Drive takes", faults.DailyLimit(), match=_STORES),
    _refuses("the project's requests of a day are used up", 403, "dailyLimitExceeded", match=_DATA, harms_restore=True),
    APIFault(
        row="an access token that has expired",
        begin=lambda place: place.server.expire_tokens(),
        end=_nothing,
    ),
    _lasting("the account is signed out", faults.ExpiredToken(), "you authenticate again", _DATA, harms_restore=True),
    APIFault(
        row="no new access token to be had for a while",
        effect=faults.CloseBefore(),
        match=_TOKENS,
        begin=lambda place: place.server.expire_tokens(),
        end=_nothing,
    ),
    _lasting("Drive is full", faults.QuotaFull(), "there is room on Drive", _STORES, refused=False),
    _lasting(
        "no right to write",
        faults.Refuse(403, "insufficientFilePermissions", "No permission."),
        "the credentials may edit the folder",
        _STORES,
    ),
    _passing(_SESSION, faults.SessionDead(404), "404", _CHUNKS),
    _passing(_SESSION, faults.SessionDead(410), "410", _CHUNKS),
    _refuses("an id that Drive says is taken", 409, "fileIdInUse", match=_STORES),
    _refuses("a precondition that Drive says does not hold", 412, "conditionNotMet", match=_STORES),
    _passing(_LOST, faults.CloseAmid(after=2000), "amid the body", _STORES),
    _passing(_LOST, faults.CloseAfter(), "after the body"),
    _passing(_DONE, faults.DoneBut(503), "503"),
    _passing(_DONE, faults.DoneButClosed(), "closed"),
    _passing("an answer that comes in drips", faults.Drip(piece=10_000, seconds=40.0)),
    _passing("an answer that ends too early", faults.Short(by=3)),
    _passing(_CORRUPT, faults.FlipSent(at=300), "downloads", _GETS, felt_in=_RESTORE, harms_restore=True),
    _passing(_CORRUPT, faults.FlipReceived(at=1000), "a chunk of an upload", _CHUNKS),
    _passing(_CORRUPT, faults.FlipReceived(at=1000), "a small upload", _SMALL, harms_restore=True),
    APIFault(row="lists by name that lag behind", begin=_lag, end=_nothing),
)
