"""From a small content to a file, in one request.

The request is put together here: googleapiclient would ask Python's own generator of random numbers for what stands
between its parts, beside a training that draws its numbers from there.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from .. import Source
from ..reading import blocks
from .items import FIELDS, Item
from .line import Line, told

__all__ = ["CONTENT_TYPE", "Target", "send_data", "send_whole", "session_request"]

CONTENT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Target:
    """Where the bytes go: a new file of this id in this folder, or the file that has the id already."""

    name: str
    file_id: str
    parent: str
    is_new: bool


def session_request(line: Line, target: Target) -> Any:
    """The service's request for a session; its body is the file's metadata."""
    from googleapiclient.http import MediaIoBaseUpload

    media = MediaIoBaseUpload(BytesIO(), mimetype=CONTENT_TYPE, resumable=True)
    options = {"media_body": media, "supportsAllDrives": True, "fields": FIELDS}
    if not target.is_new:
        return line.files.update(fileId=target.file_id, **options)
    body = {"id": target.file_id, "title": target.name.rpartition("/")[2], "parents": [{"id": target.parent}]}
    return line.files.insert(body={**body, "mimeType": CONTENT_TYPE}, **options)


def send_whole(line: Line, target: Target, source: Source, size: int) -> tuple[Item, str]:
    """All of a source; the file, and the md5 of what was sent."""
    data = b"".join(blocks(target.name, source, size))
    return send_data(line, target, data), hashlib.md5(data, usedforsecurity=False).hexdigest()


def send_data(line: Line, target: Target, data: bytes, **headers: str) -> Item:
    """These bytes. https://developers.google.com/workspace/drive/api/guides/manage-uploads#multipart"""
    request, between = session_request(line, target), secrets.token_hex(16)
    address = request.uri.replace("uploadType=resumable", "uploadType=multipart")
    kinds = "application/json; charset=UTF-8", CONTENT_TYPE
    heads = [f"--{between}\r\nContent-Type: {kind}\r\n\r\n" for kind in kinds]
    body = f"{heads[0]}{request.body or '{}'}\r\n{heads[1]}".encode() + data + f"\r\n--{between}--\r\n".encode()
    kept = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
    kept["Content-Type"] = f"multipart/related; boundary={between}"
    doing = f"store {target.name}"
    return Item.told(told(line.send(address, request.method, body, {**kept, **headers}, doing), doing))
