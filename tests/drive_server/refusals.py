"""What Drive says when it will not: the status, the reason and the words of Google's JSON error bodies.

`DriveError` is raised wherever a request is found wanting and turned into the answer in one place. Reasons are v3's;
`as_json` says them as the asked version does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "DriveError",
    "bad_value",
    "invalid",
    "not_found",
    "quota_exceeded",
    "session_gone",
    "unauthorized",
    "unavailable",
]

V2_REASONS = {"storageQuotaExceeded": "quotaExceeded"}


@dataclass
class DriveError(Exception):
    """One refusal; `location` names the parameter (or header) that is wrong."""

    status: int
    reason: str
    message: str
    location: str = ""
    location_type: str = "parameter"
    domain: str = "global"
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_json(self, version: str) -> dict[str, Any]:
        reason = V2_REASONS.get(self.reason, self.reason) if version == "v2" else self.reason
        detail = {"domain": self.domain, "reason": reason, "message": self.message}
        if self.location:
            detail |= {"locationType": self.location_type, "location": self.location}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def not_found(file_id: str) -> DriveError:
    return DriveError(404, "notFound", f"File not found: {file_id}.", "fileId")


def invalid(message: str, location: str = "") -> DriveError:
    return DriveError(400, "invalid", message, location)


def bad_value(location: str) -> DriveError:
    return invalid("Invalid Value", location)


def quota_exceeded() -> DriveError:
    return DriveError(
        403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.", domain="usageLimits"
    )


def session_gone(status: int = 404) -> DriveError:
    reason, message = ("notFound", "Not Found") if status == 404 else ("gone", "Gone")
    return DriveError(status, reason, message)


def unauthorized(*, missing: bool = False) -> DriveError:
    reason, message, error = (
        ("required", "Login Required.", "")
        if missing
        else (
            "authError",
            "Invalid Credentials",
            ', error="invalid_token"',
        )
    )
    challenge = {"WWW-Authenticate": f'Bearer realm="https://accounts.google.com/"{error}'}
    return DriveError(401, reason, message, "Authorization", "header", headers=challenge)


def unavailable() -> DriveError:
    return DriveError(503, "backendError", "Backend Error")
