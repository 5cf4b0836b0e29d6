"""How much space the account has, as Drive tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..abilities import Space

__all__ = ["FIELDS", "told_space"]

FIELDS = "quotaBytesTotal,quotaBytesUsed,quotaBytesUsedAggregate,quotaType"


def told_space(answer: Mapping[str, Any]) -> Space:
    """The trash and Google's other services take of the same space; where there is no limit, neither is a number."""
    if answer.get("quotaType") == "UNLIMITED":
        return Space(None, None)
    used = int(answer.get("quotaBytesUsedAggregate", answer.get("quotaBytesUsed", 0)))
    total = int(answer.get("quotaBytesTotal", 0))
    return Space(total, max(total - used, 0))
