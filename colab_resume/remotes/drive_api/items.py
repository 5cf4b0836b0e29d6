"""A file or folder as Drive tells it, and what has to be asked for so that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FIELDS", "FOLDER", "Item", "newest", "oldest"]

FOLDER = "application/vnd.google-apps.folder"
FIELDS = "id,title,mimeType,fileSize,md5Checksum,createdDate,modifiedDate,etag,headRevisionId,labels/trashed,parents/id"


@dataclass(frozen=True)
class Item:
    """`size` is None for what has no bytes of its own: folders, documents, shortcuts. Dates sort as text."""

    id: str
    title: str
    is_folder: bool
    size: int | None
    md5: str | None
    created: str
    modified: str
    etag: str
    revision: str
    trashed: bool
    parents: tuple[str, ...]

    @classmethod
    def told(cls, answer: Mapping[str, Any]) -> Item:
        size = answer.get("fileSize")
        return cls(
            id=answer["id"],
            title=answer.get("title", ""),
            is_folder=answer.get("mimeType") == FOLDER,
            size=None if size is None else int(size),
            md5=answer.get("md5Checksum"),
            created=answer.get("createdDate", ""),
            modified=answer.get("modifiedDate", ""),
            etag=answer.get("etag", ""),
            revision=answer.get("headRevisionId", ""),
            trashed=answer.get("labels", {}).get("trashed", False),
            parents=tuple(parent["id"] for parent in answer.get("parents", [])),
        )


def oldest(item: Item) -> tuple[str, str]:
    """The order in which the first of several is the one that all writers agree on."""
    return item.created, item.id


def newest(item: Item) -> tuple[str, str]:
    """The order in which the last of several has the content that was written last."""
    return item.modified, item.id
