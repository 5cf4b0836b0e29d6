"""Each fault does what it says, to the requests it is meant for, as often as it was planned, and nothing else."""

from __future__ import annotations

import http.client
import random

import pytest
from drive_server.exchange import Request
from drive_server.faults import (
    CloseAfter,
    CloseAmid,
    CloseBefore,
    DailyLimit,
    Delay,
    DoneBut,
    DoneButClosed,
    Drip,
    Effect,
    ExpiredToken,
    Fault,
    FlipReceived,
    FlipSent,
    Match,
    QuotaFull,
    Refuse,
    SessionDead,
    Short,
)
from drive_server.fixtures import NOON
from drive_server.server import DriveServer
from drive_server.wire import Wire

from colab_resume.testing import ManualClock

Q = 256 * 1024
DATA = random.Random(9).randbytes(3 * Q + 1000)
GONE = (ConnectionError, http.client.RemoteDisconnected)


@pytest.mark.parametrize(
    ("effect", "status", "reason"),
    [
        (Refuse(), 503, "backendError"),
        (Refuse(429, "rateLimitExceeded", "Rate Limit Exceeded", retry_after=7), 429, "rateLimitExceeded"),
        (ExpiredToken(), 401, "authError"),
        (QuotaFull(), 403, "quotaExceeded"),
        (DailyLimit(), 403, "userRateLimitExceeded"),
    ],
)
def test_a_refusal_does_nothing(
    drive_server: DriveServer, wire: Wire, effect: Effect, status: int, reason: str
) -> None:
    """The body is read, so the connection lives on; the next request passes."""
    drive_server.faults.add(Fault(match="drive.files.insert", effect=effect))
    reply = wire("POST", "upload/drive/v2/files", DATA, uploadType="media")
    assert (reply.status, reply.reason) == (status, reason)
    assert drive_server.account.files == {}
    assert drive_server.log[-1].received == len(DATA)
    assert reply.headers["Retry-After"] == ("7" if status == 429 else None)
    assert wire("POST", "upload/drive/v2/files", DATA, uploadType="media").status == 200
    assert drive_server.faults.pending == []


@pytest.mark.parametrize("effect", [CloseBefore(), CloseAmid(1000), CloseAfter()])
def test_a_lost_request_does_nothing(drive_server: DriveServer, wire: Wire, effect: Effect) -> None:
    """The client sees the connection end, and nothing has happened."""
    drive_server.faults.add(Fault(match="drive.files.insert", effect=effect))
    with pytest.raises(GONE):
        wire("POST", "upload/drive/v2/files", DATA, uploadType="media")
    assert drive_server.account.files == {}
    (line,) = drive_server.log
    received = {CloseBefore(): 0, CloseAmid(1000): 1000, CloseAfter(): len(DATA)}[effect]
    assert (line.status, line.sent, line.received) == (0, 0, received)


@pytest.mark.parametrize(
    ("after", "kept"), [(0, 0), (Q - 1, 0), (Q, Q), (Q + 1, Q), (3 * Q, 3 * Q), (len(DATA), 3 * Q), (1 << 30, 3 * Q)]
)
def test_of_a_broken_chunk_whole_quanta_stay(drive_server: DriveServer, wire: Wire, after: int, kept: int) -> None:
    """Never the end of the file, though, so the upload is not complete behind the client's back."""
    session = wire.start({"title": "a"}, length=len(DATA))
    drive_server.faults.add(Fault(match="resumable.put", effect=CloseAmid(after)))
    with pytest.raises(GONE):
        wire.chunk(session, DATA, 0, len(DATA))
    reply = wire.ask(session)
    assert (reply.status, reply.headers["Range"]) == (308, f"bytes=0-{kept - 1}" if kept else None)
    assert wire.chunk(session, DATA[kept:], kept, len(DATA)).status == 200
    (item,) = drive_server.account.find("a")
    assert drive_server.account.content(item.id) == DATA


@pytest.mark.parametrize("effect", [DoneBut(503), DoneButClosed()])
def test_a_lost_answer_has_done_everything(drive_server: DriveServer, wire: Wire, effect: Effect) -> None:
    """The file is there, once, and a question to the session finds it."""
    session = wire.start({"title": "a"}, length=len(DATA))
    drive_server.faults.add(Fault(match="resumable.put", effect=effect))
    if isinstance(effect, DoneBut):
        assert wire("PUT", session, DATA).status == 503
    else:
        with pytest.raises(GONE):
            wire("PUT", session, DATA)
    (item,) = drive_server.account.find("a")
    assert wire.ask(session).json["id"] == item.id
    assert drive_server.account.content(item.id) == DATA


def test_a_delay_moves_the_clock_and_no_test_sleeps(
    drive_server: DriveServer, drive_clock: ManualClock, wire: Wire
) -> None:
    """The server's `wait` is the test's to give."""
    drive_server.faults.add(Fault(match="drive.about.get", effect=Delay(3600)))
    assert wire("GET", "drive/v2/about").status == 401
    assert drive_clock.waits == (3600,)


def test_an_answer_may_drip(drive_server: DriveServer, drive_clock: ManualClock, wire: Wire) -> None:
    """All of it comes, in pieces with a wait before each."""
    file_id = wire.create("a", DATA)
    drive_server.faults.add(Fault(match="drive.files.get_media", effect=Drip(200_000, 5)))
    assert wire("GET", f"drive/v2/files/{file_id}", alt="media").body == DATA
    assert drive_clock() == NOON + 5 * len(drive_clock.waits)
    assert len(drive_clock.waits) >= len(DATA) // 200_000


def test_a_short_body_breaks_its_promise(drive_server: DriveServer, wire: Wire) -> None:
    """Content-Length says more than comes."""
    file_id = wire.create("a", DATA)
    drive_server.faults.add(Fault(match="drive.files.get_media", effect=Short(by=1000)))
    with pytest.raises(http.client.IncompleteRead) as broken:
        wire("GET", f"drive/v2/files/{file_id}", alt="media")
    assert broken.value.partial == DATA[:-1000]
    assert drive_server.log[-1] == Request(
        "GET", f"/drive/v2/files/{file_id}?alt=media", "drive.files.get_media", 0, len(DATA) - 1000, 200
    )


@pytest.mark.parametrize("at", [0, Q - 1, Q, len(DATA) - 1])
def test_a_flipped_byte_is_the_only_change(drive_server: DriveServer, wire: Wire, at: int) -> None:
    """Sent: the file is right and the download wrong. Received: the file is wrong, and its md5 says so."""
    wrong = DATA[:at] + bytes([DATA[at] ^ 1]) + DATA[at + 1 :]
    file_id = wire.create("a", DATA)
    drive_server.faults.add(Fault(match="drive.files.get_media", effect=FlipSent(at)))
    assert wire("GET", f"drive/v2/files/{file_id}", alt="media").body == wrong
    assert wire("GET", f"drive/v2/files/{file_id}", alt="media").body == DATA
    right = drive_server.account.get(file_id).blob
    drive_server.faults.add(Fault(match="resumable.put", effect=FlipReceived(at)))
    made = wire("PUT", wire.start({"title": "b"}), DATA).json
    assert drive_server.account.content(made["id"]) == wrong
    assert right is not None
    assert made["md5Checksum"] != right.md5


@pytest.mark.parametrize("status", [404, 410])
def test_a_dead_session_stays_dead(drive_server: DriveServer, wire: Wire, status: int) -> None:
    """And the file that it was for never appears."""
    session = wire.start({"title": "a"}, length=len(DATA))
    assert wire.chunk(session, DATA[:Q], 0, len(DATA)).status == 308
    drive_server.faults.add(Fault(match="resumable.*", effect=SessionDead(status)))
    assert wire.chunk(session, DATA[Q:], Q, len(DATA)).status == status
    assert wire.ask(session).status == status
    assert drive_server.account.files == {}


def test_a_plan_skips_and_counts(drive_server: DriveServer, wire: Wire) -> None:
    """The first `skip` are left alone, `times` are struck, others do not count."""
    drive_server.faults.add(Fault(match="drive.files.list", skip=1, times=2, effect=Refuse()))
    seen = []
    for _ in range(5):
        seen.append(wire("GET", "drive/v3/files").status)
        assert wire("GET", "drive/v2/about").status == 200
    assert seen == [200, 503, 503, 200, 200]


def test_a_plan_may_last_until_cleared(drive_server: DriveServer, wire: Wire) -> None:
    """The daily limit does, for all uploads, however often they are tried."""
    drive_server.faults.add(Fault(match="drive.files.insert", times=None, effect=DailyLimit()))
    for _ in range(3):
        reply = wire("POST", "drive/v2/files", json={})
        assert reply.json["error"]["message"] == "User rate limit exceeded."
    drive_server.faults.clear()
    assert wire("POST", "drive/v2/files", json={}).status == 200


@pytest.mark.parametrize(
    "match",
    [
        Match(method="DELETE"),
        Match("drive.files.*", method="DELETE"),
        Match(path=r"^/drive/v2/files/[^/?]+$", method="DELETE"),
        Match(where=lambda call: call.headers["X-Odd"] == "yes"),
    ],
)
def test_a_match_needs_all_that_it_names(drive_server: DriveServer, wire: Wire, match: Match) -> None:
    """Method id, verb, path and a test of one's own."""
    file_id = wire.create("a")
    drive_server.faults.add(Fault(match=Match("drive.files.delete", path="^/drive/v3/"), effect=Refuse(500)))
    drive_server.faults.add(Fault(match=match, effect=Refuse()))
    assert wire("GET", f"drive/v2/files/{file_id}").status == 200
    assert wire("DELETE", f"drive/v2/files/{file_id}", headers={"X-Odd": "yes"}).status == 503
    assert file_id in drive_server.account.files
