"""Resumable uploads go by Drive's rules, and one-request uploads arrive whole however their parts are laid out."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from drive_server.server import DriveServer
from drive_server.wire import Reply, Wire

from colab_resume.testing import ManualClock

Q = 256 * 1024
DATA = random.Random(7).randbytes(3 * Q + 1000)
WEEK = 7 * 24 * 3600


def stored(server: DriveServer, name: str = "a") -> bytes:
    (item,) = server.account.find(name)
    assert item.blob is not None
    content = server.account.content(item.id)
    assert item.blob.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    return content


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline


def told(reply: Reply) -> tuple[int, str | None]:
    return reply.status, reply.headers["Range"]


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize("verb", ["PUT", "POST"])
@pytest.mark.parametrize("total", [len(DATA), "*"])
def test_chunks_make_a_file(drive_server: DriveServer, wire: Wire, version: str, verb: str, total: int | str) -> None:
    """308 and the Range of all bytes so far until the last chunk, then 200 and the file; by PUT and by POST."""
    session = wire.start({"title" if version == "v2" else "name": "a"}, version=version)
    for number in range(3):
        place = {"Content-Range": f"bytes {number * Q}-{number * Q + Q - 1}/{total}"}
        assert told(wire(verb, session, DATA[number * Q :][:Q], headers=place)) == (
            308,
            f"bytes=0-{number * Q + Q - 1}",
        )
    last = wire.chunk(session, DATA[3 * Q :], 3 * Q, len(DATA))
    assert last.status == 200
    assert last.json["id"] == drive_server.account.find("a")[0].id
    assert stored(drive_server) == DATA


def test_one_put_without_content_range_is_the_whole_file(drive_server: DriveServer, wire: Wire) -> None:
    """That is how a client uploads in one go, and how it uploads nothing."""
    assert wire("PUT", wire.start({"title": "a"}), DATA).status == 200
    assert wire("PUT", wire.start({"title": "empty"}, length=0), b"").status == 200
    assert stored(drive_server) == DATA
    assert stored(drive_server, "empty") == b""


def test_a_body_in_transfer_chunks_is_the_same_body(drive_server: DriveServer, wire: Wire) -> None:
    """HTTP's own chunks, of any size, are no business of the upload's."""
    pieces = [DATA[:1], DATA[1:1000], DATA[1000:]]
    assert wire("PUT", wire.start({"title": "a"}), iter(pieces)).status == 200
    assert stored(drive_server) == DATA


def test_a_question_tells_what_is_stored(wire: Wire) -> None:
    """308 without a Range for nothing, with one for something, 200 with the file after the end."""
    session = wire.start({"title": "a"}, length=len(DATA))
    assert told(wire.ask(session, len(DATA))) == (308, None)
    wire.chunk(session, DATA[:Q], 0, len(DATA))
    assert told(wire.ask(session)) == (308, f"bytes=0-{Q - 1}")
    made = wire.chunk(session, DATA[Q:], Q, len(DATA))
    assert wire.ask(session, len(DATA)).json == made.json
    assert wire.chunk(session, DATA[Q:], Q, len(DATA)).json == made.json


@pytest.mark.parametrize("size", [1, Q - 1, Q + 1])
def test_only_the_last_chunk_may_be_odd(wire: Wire, size: int) -> None:
    """Any other must be a multiple of 256 KiB; nothing of it is kept."""
    session = wire.start({"title": "a"})
    for total in (len(DATA), "*"):
        assert wire.chunk(session, DATA[:size], 0, total).status == 400
    assert told(wire.ask(session)) == (308, None)


def test_a_gap_is_refused_and_an_overlap_passed_over(drive_server: DriveServer, wire: Wire) -> None:
    """Bytes cannot be left out; bytes that are there already are not stored twice."""
    session = wire.start({"title": "a"})
    wire.chunk(session, DATA[:Q], 0, len(DATA))
    gap = wire.chunk(session, DATA[2 * Q :], 2 * Q, len(DATA))
    assert gap.status == 400
    assert f"upload offset is {2 * Q} byte(s), which exceeds already uploaded size of {Q} byte(s)" in gap.body.decode()
    assert wire.chunk(session, DATA, 0, len(DATA)).status == 200
    assert stored(drive_server) == DATA


@pytest.mark.parametrize(
    "place",
    [
        "bytes 0-9",
        "bytes 0-9/5",
        "bytes 9-0/10",
        "bytes 0-8/10",
        "bytes 0-10/11",
        "items 0-9/10",
        "bytes 0-9/-10",
        "0-9/10",
    ],
)
def test_a_content_range_must_make_sense(wire: Wire, place: str) -> None:
    """What cannot be read, does not fit the total or does not fit the body is refused."""
    session = wire.start({"title": "a"})
    assert wire("PUT", session, DATA[:10], headers={"Content-Range": place}).status == 400


def test_the_size_is_said_once(wire: Wire) -> None:
    """A chunk must not contradict the start, nor an earlier chunk, nor may the whole be another size."""
    session = wire.start({"title": "a"}, length=len(DATA))
    assert wire.chunk(session, DATA[:Q], 0, len(DATA) + 1).status == 400
    assert wire("PUT", session, DATA[:-1]).status == 400
    assert wire("PUT", session, iter([DATA, b"more"])).status == 400
    open_session = wire.start({"title": "b"})
    wire.chunk(open_session, DATA[:Q], 0, len(DATA))
    assert wire.chunk(open_session, DATA[Q:], Q, len(DATA) + 1).status == 400


def test_the_uri_needs_no_token_and_cannot_be_guessed(drive_server: DriveServer, wire: Wire) -> None:
    """Whoever has it may upload; with another one there is nothing, token or not."""
    session = wire.start({"title": "a"})
    assert wire.ask(session[:-1] + ("A" if session[-1] != "A" else "B")).status == 404
    wire.token = None
    assert wire("PUT", session, DATA).status == 200
    assert stored(drive_server) == DATA
    assert wire("POST", "upload/drive/v2/files", json={}, uploadType="resumable").status == 401


def test_a_session_dies_after_a_week(drive_clock: ManualClock, wire: Wire) -> None:
    """Until then it waits; after it, the answer is 404 for chunks and questions alike."""
    session = wire.start({"title": "a"}, length=len(DATA))
    drive_clock.advance(WEEK - 1)
    assert wire.chunk(session, DATA[:Q], 0, len(DATA)).status == 308
    drive_clock.advance(1)
    assert wire.ask(session).status == 404
    assert wire.chunk(session, DATA[Q:], Q, len(DATA)).status == 404


def test_a_cancelled_session_is_gone(wire: Wire) -> None:
    """DELETE ends it, with Google's own status."""
    session = wire.start({"title": "a"})
    assert wire("DELETE", session).status == 499
    assert wire.ask(session).status == 404


@pytest.mark.parametrize(("verb", "version"), [("PUT", "v2"), ("PATCH", "v3")])
def test_an_update_replaces_the_content_when_it_is_whole(
    drive_server: DriveServer, wire: Wire, verb: str, version: str
) -> None:
    """The id stays, the old bytes are read until the last chunk, and the head revision is another one."""
    file_id = wire.create("a", b"old")
    before = drive_server.account.get(file_id)
    reply = wire(verb, f"upload/drive/{version}/files/{file_id}", json={}, uploadType="resumable")
    wire.chunk(reply.headers["Location"], DATA[:Q], 0, len(DATA))
    assert stored(drive_server) == b"old"
    wire.chunk(reply.headers["Location"], DATA[Q:], Q, len(DATA))
    assert stored(drive_server) == DATA
    after = drive_server.account.get(file_id)
    assert after.revision_id != before.revision_id
    assert after.version > before.version + 1


def test_the_wrong_verb_starts_nothing(wire: Wire) -> None:
    """v3 updates by PATCH and v2 by PUT; the other way round there is no such method."""
    file_id = wire.create("a")
    assert wire("PUT", f"upload/drive/v3/files/{file_id}", json={}, uploadType="resumable").status == 404
    assert wire("PATCH", f"upload/drive/v2/files/{file_id}", json={}, uploadType="resumable").status == 404
    assert wire("POST", "upload/drive/v2/files", json={}, uploadType="sometimes").status == 400


def test_a_newer_request_takes_the_session_over(drive_server: DriveServer, wire: Wire) -> None:
    """A connection that hangs and wakes up later can neither store nor complete anything."""
    session = wire.start({"title": "a"}, length=len(DATA))
    go_on = threading.Event()

    def hanging() -> Iterator[bytes]:
        yield DATA[:Q]
        go_on.wait(10)
        yield b"\0" * (len(DATA) - Q)

    late: list[Reply] = []
    thread = threading.Thread(target=lambda: late.append(wire("PUT", session, hanging())))
    thread.start()
    until(lambda: drive_server.api.uploads.stored(session.partition("upload_id=")[2]) == Q)
    assert wire.chunk(session, DATA[Q : 2 * Q], Q, len(DATA)).status == 308
    go_on.set()
    thread.join(10)
    assert late[0].status == 503
    assert told(wire.ask(session)) == (308, f"bytes=0-{2 * Q - 1}")
    assert wire.chunk(session, DATA[2 * Q :], 2 * Q, len(DATA)).status == 200
    assert stored(drive_server) == DATA


@pytest.mark.parametrize("newline", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize("content", [b"", b"plain", DATA, b"ends with\r", b"\r\n--almost\r\n"], ids=range(5))
def test_multipart_takes_both_kinds_of_lines(
    drive_server: DriveServer, wire: Wire, newline: bytes, content: bytes
) -> None:
    """Metadata and bytes in one request; the bytes are exactly those between the lines."""
    parts = [b'Content-Type: application/json\n\n{"name": "a"}', b"Content-Type: text/x-odd\n\n"]
    lines = [b"--edge", *parts[0].split(b"\n"), b"--edge", *parts[1].split(b"\n")]
    body = newline.join(lines) + content + newline + b"--edge--" + newline
    kind = {"Content-Type": 'multipart/related; boundary="edge"'}
    for sent in (body, iter([body[:50], body[50:]])):
        reply = wire("POST", "upload/drive/v3/files", sent, headers=kind, uploadType="multipart")
        assert (reply.status, reply.json.get("mimeType")) == (200, "text/x-odd")
    contents = {drive_server.account.content(item.id) for item in drive_server.account.find("a")}
    assert contents == {content}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--edge\n\n{}\n--edge--",
        b"--edge\n\n{}\n--edge\n\nnever ends",
        b"--edgy\n\n{}\n--edge\n\nx\n--edge--",
        b"--edge\n\n[]\n--edge\n\nx\n--edge--",
    ],
)
def test_broken_multipart_is_refused(drive_server: DriveServer, wire: Wire, body: bytes) -> None:
    """Nothing is guessed and nothing is made."""
    kind = {"Content-Type": "multipart/related; boundary=edge"}
    assert wire("POST", "upload/drive/v3/files", body, headers=kind, uploadType="multipart").status == 400
    assert drive_server.account.files == {}


def test_a_simple_upload_has_bytes_and_a_type(drive_server: DriveServer, wire: Wire) -> None:
    """`uploadType=media`: no metadata, so Drive calls it Untitled."""
    kind = {"Content-Type": "text/x-odd"}
    assert (
        wire("POST", "upload/drive/v2/files", DATA, headers=kind, uploadType="media").json["mimeType"] == "text/x-odd"
    )
    assert stored(drive_server, "Untitled") == DATA
