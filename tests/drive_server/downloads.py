"""`alt=media`: the bytes of a file, whole or a range of them."""

from __future__ import annotations

import re

from .answers import Answer
from .items import Item
from .refusals import DriveError

__all__ = ["download"]

RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def download(item: Item, wanted: str) -> Answer:
    """`wanted` is the Range header; a list of ranges is answered with everything, which HTTP allows."""
    if item.blob is None:
        message = "Only files with binary content can be downloaded. Use Export with Docs Editors files."
        raise DriveError(403, "fileNotDownloadable", message, "alt")
    size = item.size
    headers = {"Content-Type": item.mime, "Content-Disposition": "attachment"}
    match = RANGE.fullmatch(wanted.strip())
    if match is None or match[0] == "bytes=-":
        return Answer(200, headers, item.blob.pieces(0, size), size)
    start, end = _bounds(match[1], match[2], size)
    if start > end:
        unmet = {"Content-Range": f"bytes */{size}"}
        raise DriveError(
            416, "requestedRangeNotSatisfiable", "Request range not satisfiable", "Range", "header", headers=unmet
        )
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, headers, item.blob.pieces(start, end - start + 1), end - start + 1)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size - 1
    start = int(first)
    return (start, min(int(last), size - 1) if last else size - 1) if start < size else (1, 0)
