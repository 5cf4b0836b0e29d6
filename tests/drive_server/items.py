"""One file or folder of the account, as a value: a change makes a new one with a higher version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from .contents import Blob

__all__ = ["FOLDER", "Item"]

FOLDER = "application/vnd.google-apps.folder"


@dataclass(frozen=True)
class Item:
    """`properties` maps (key, "PUBLIC" or "PRIVATE") to a value; times are seconds by the server's clock."""

    id: str
    name: str
    mime: str
    parent: str | None
    created: float
    modified: float
    version: int
    blob: Blob | None = None
    revision: int = 0
    trashed: bool = False
    trashed_at: float | None = None
    starred: bool = False
    description: str = ""
    original_name: str = ""
    properties: Mapping[tuple[str, str], str] = field(default_factory=dict)
    keep_forever: bool = False
    kept_bytes: int = 0

    @property
    def is_folder(self) -> bool:
        return self.mime == FOLDER

    @property
    def size(self) -> int:
        return self.blob.size if self.blob else 0

    @property
    def quota_bytes(self) -> int:
        """The head, and older revisions that are kept for good."""
        return self.size + self.kept_bytes

    @property
    def etag(self) -> str:
        """Quotes included: they are part of it, in the header and in the JSON."""
        return f'"{self._digest(f"etag {self.version}")}"'

    @property
    def revision_id(self) -> str:
        return self._digest(f"revision {self.revision}")

    def _digest(self, what: str) -> str:
        return hashlib.sha256(f"{self.id} {what}".encode()).hexdigest()[:28]
