"""Downloads: whole, by range, and what is said about ranges that are not there."""

from __future__ import annotations

import random

import pytest
from drive_server.server import DriveServer
from drive_server.wire import Wire

DATA = random.Random(8).randbytes(700_000)


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=300000-", 300_000, 700_000),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=-999999999", 0, 700_000),
        ("bytes=699999-999999999", 699_999, 700_000),
    ],
)
def test_a_range_is_exactly_that(wire: Wire, version: str, wanted: str, start: int, end: int) -> None:
    """206, the bytes, and where they lie."""
    file_id = wire.create("a", DATA)
    reply = wire("GET", f"drive/{version}/files/{file_id}", headers={"Range": wanted}, alt="media")
    assert (reply.status, reply.body) == (206, DATA[start:end])
    assert reply.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"


@pytest.mark.parametrize("wanted", ["", "bytes=0-1,3-4", "lines=0-1", "bytes=-"])
def test_anything_else_is_the_whole_file(wire: Wire, wanted: str) -> None:
    """200; HTTP lets a server pass over a Range it does not serve."""
    file_id = wire.create("a", DATA)
    reply = wire("GET", f"drive/v3/files/{file_id}", headers={"Range": wanted}, alt="media")
    assert (reply.status, reply.body) == (200, DATA)


@pytest.mark.parametrize(
    ("content", "wanted"), [(b"", "bytes=0-"), (b"", "bytes=-1"), (b"abc", "bytes=3-"), (b"abc", "bytes=2-1")]
)
def test_a_range_behind_the_end_is_416(wire: Wire, content: bytes, wanted: str) -> None:
    """With the true size; of an empty file no range can be had."""
    file_id = wire.create("a", content)
    reply = wire("GET", f"drive/v2/files/{file_id}", headers={"Range": wanted}, alt="media")
    assert (reply.status, reply.reason) == (416, "requestedRangeNotSatisfiable")
    assert reply.headers["Content-Range"] == f"bytes */{len(content)}"


def test_the_download_url_leads_back_here(drive_server: DriveServer, wire: Wire) -> None:
    """v2 tells one for files with bytes; it needs the token like everything else."""
    url = wire("GET", f"drive/v2/files/{wire.create('a', DATA)}").json["downloadUrl"]
    assert url.startswith(drive_server.url)
    assert wire("GET", url).body == DATA
    wire.token = None
    assert wire("GET", url).status == 401
