"""A request of the API whose parameters and metadata have been read and checked; what both versions share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .account import Account
from .calls import Call
from .contents import Blob
from .refusals import bad_value, invalid

__all__ = ["Ask", "checked_properties", "instant", "one_parent", "rfc3339"]

MOST_PROPERTY_BYTES = 124
MOST_PROPERTIES = 100


@dataclass(frozen=True)
class Ask:
    """`blob` and `media_type` are those of an upload; `body` is the metadata."""

    account: Account
    call: Call
    parameters: Mapping[str, str]
    body: Mapping[str, Any]
    blob: Blob | None = None
    media_type: str = ""

    @property
    def file_id(self) -> str:
        return self.call.path_arguments["fileId"]

    @property
    def if_match(self) -> str:
        """v3 has no etags, so it does not look at the header."""
        return self.call.headers.get("If-Match", "") if self.call.version == "v2" else ""

    def flag(self, name: str) -> bool:
        return self.parameters.get(name) == "true"


def rfc3339(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str, location: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise bad_value(location) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def one_parent(parents: list[str]) -> str:
    """A file has one folder."""
    if len(parents) != 1:
        raise invalid("A file must have exactly one parent.", "parents")
    return parents[0]


def checked_properties(
    old: Mapping[tuple[str, str], str], changes: Mapping[tuple[str, str], str | None]
) -> dict[tuple[str, str], str]:
    """`old` with the changes; `None` takes a property away. Both limits are Drive's."""
    for (key, _), value in changes.items():
        if not key or len(key.encode()) + len((value or "").encode()) > MOST_PROPERTY_BYTES:
            raise invalid(f"A property's key and value may have {MOST_PROPERTY_BYTES} bytes together.", "properties")
    merged = {key: value for key, value in {**old, **changes}.items() if value is not None}
    if len(merged) > MOST_PROPERTIES:
        raise invalid(f"A file may have {MOST_PROPERTIES} properties.", "properties")
    return merged
