"""An answer before it is sent: status, headers, and a body in pieces that need not fit in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .refusals import DriveError

__all__ = ["Answer", "error_answer", "json_answer"]

JSON = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Answer:
    """`length` is that of all pieces together."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] = ()
    length: int = 0


def json_answer(value: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(value, ensure_ascii=False, indent=1).encode()
    return Answer(status, {"Content-Type": JSON, **(headers or {})}, [body], len(body))


def error_answer(error: DriveError, version: str) -> Answer:
    return json_answer(error.as_json(version), error.status, error.headers)
