"""Faults by plan: which requests they strike, how often, and what happens then.

    server.faults.add(Fault(match="resumable.put", skip=2, times=1, effect=CloseAmid(after=300_000)))

Plans are tried in the order in which they were added, and a request is struck by one at most. A plan with
`times=None` strikes until `clear`.
"""

from __future__ import annotations

import fnmatch
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .calls import Call
from .refusals import DriveError, quota_exceeded, unauthorized

__all__ = [
    "CloseAfter",
    "CloseAmid",
    "CloseBefore",
    "DailyLimit",
    "Delay",
    "DoneBut",
    "DoneButClosed",
    "Drip",
    "Effect",
    "ExpiredToken",
    "Fault",
    "Faults",
    "FlipReceived",
    "FlipSent",
    "Match",
    "QuotaFull",
    "Refuse",
    "SessionDead",
    "Short",
    "refusal",
]


@dataclass(frozen=True)
class Refuse:
    """The body is read, nothing is done, and this is the answer."""

    status: int = 503
    reason: str = "backendError"
    message: str = "Backend Error"
    retry_after: int | None = None


@dataclass(frozen=True)
class CloseBefore:
    """The connection ends before the body is read."""


@dataclass(frozen=True)
class CloseAmid:
    """It ends after so many bytes of the body; what a resumable chunk brought until then is stored."""

    after: int = 0


@dataclass(frozen=True)
class CloseAfter:
    """It ends when the body has arrived, and nothing is done."""


@dataclass(frozen=True)
class DoneBut:
    """All is done, and the answer says that it failed."""

    status: int = 503


@dataclass(frozen=True)
class DoneButClosed:
    """All is done, and the answer never comes."""


@dataclass(frozen=True)
class Delay:
    """Nothing happens for so long, through the server's `wait`."""

    seconds: float


@dataclass(frozen=True)
class Drip:
    """The answer's body comes in pieces with a wait before each."""

    piece: int
    seconds: float


@dataclass(frozen=True)
class Short:
    """The answer's body ends before the bytes that its Content-Length promised, and so does the connection."""

    by: int = 1


@dataclass(frozen=True)
class FlipSent:
    """One byte of the answer's body is wrong."""

    at: int = 0


@dataclass(frozen=True)
class FlipReceived:
    """One byte of the request's body arrives wrong; in an upload, that is what is stored and hashed."""

    at: int = 0


@dataclass(frozen=True)
class ExpiredToken:
    """401, whatever the token."""


@dataclass(frozen=True)
class QuotaFull:
    """403: the user's storage is full."""


@dataclass(frozen=True)
class DailyLimit:
    """403: so much may be uploaded in a day; Drive says it in the words of its limit per minute."""


@dataclass(frozen=True)
class SessionDead:
    """The upload session that the request names is gone for good."""

    status: int = 404


Effect = (
    Refuse
    | CloseBefore
    | CloseAmid
    | CloseAfter
    | DoneBut
    | DoneButClosed
    | Delay
    | Drip
    | Short
    | FlipSent
    | FlipReceived
    | ExpiredToken
    | QuotaFull
    | DailyLimit
    | SessionDead
)


@dataclass(frozen=True)
class Match:
    """All that is given must hold; `method_id` may have wildcards, `path` is a regular expression to be found."""

    method_id: str = "*"
    method: str | None = None
    path: str = ""
    where: Callable[[Call], bool] = lambda call: True

    def __call__(self, call: Call) -> bool:
        return (
            fnmatch.fnmatchcase(call.method_id, self.method_id)
            and self.method in (None, call.method)
            and re.search(self.path, call.target) is not None
            and self.where(call)
        )


@dataclass(frozen=True)
class Fault:
    """`match`: a method id (wildcards allowed) or a `Match`; the first `skip` matching requests are left alone."""

    match: str | Match
    effect: Effect
    skip: int = 0
    times: int | None = 1

    def strikes(self, call: Call) -> bool:
        match = Match(self.match) if isinstance(self.match, str) else self.match
        return match(call)


@dataclass
class _Plan:
    fault: Fault
    seen: int = 0
    struck: int = 0

    def hits(self, call: Call) -> bool:
        if not self.fault.strikes(call) or self.struck == self.fault.times:
            return False
        self.seen += 1
        if self.seen <= self.fault.skip:
            return False
        self.struck += 1
        return True


@dataclass
class Faults:
    """The plans of one server."""

    _plans: list[_Plan] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._plans.append(_Plan(fault))

    def clear(self) -> None:
        with self._lock:
            self._plans.clear()

    @property
    def pending(self) -> list[Fault]:
        """Those that have not struck as often as they shall; a test may insist that there are none."""
        with self._lock:
            return [plan.fault for plan in self._plans if plan.fault.times not in (None, plan.struck)]

    def strike(self, call: Call) -> Effect | None:
        with self._lock:
            return next((plan.fault.effect for plan in self._plans if plan.hits(call)), None)


def refusal(effect: Refuse | QuotaFull | DailyLimit | ExpiredToken) -> DriveError:
    """The answer of those effects that are one."""
    match effect:
        case Refuse(status, reason, message, retry_after):
            headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
            return DriveError(status, reason, message, headers=headers)
        case QuotaFull():
            return quota_exceeded()
        case DailyLimit():
            return DriveError(403, "userRateLimitExceeded", "User rate limit exceeded.", domain="usageLimits")
        case ExpiredToken():
            return unauthorized()
