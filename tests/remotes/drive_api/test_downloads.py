"""Downloads: the bytes that Drive has, in order, each once, and never two contents put together."""

from __future__ import annotations

import itertools
from io import BytesIO

import pytest
from contract_remote import BIG, read
from drive_server import faults
from drive_server.calls import Call
from drive_server.faults import Fault
from drive_server.server import DriveServer
from remotes.drive_api.clients import CHUNK, FOLDER, calls, client, only_file

from colab_resume.errors import RemoteRefused, RemoteUnavailable
from colab_resume.remotes import BytesSource
from colab_resume.remotes.retrying import Retrying

__all__: list[str] = []

MIB = 1 << 20
OTHER = BIG[::-1]
MEDIA = "drive.files.get_media"

PASSING = {
    "503": faults.Refuse(),
    "429": faults.Refuse(429, "rateLimitExceeded"),
    "closed": faults.CloseBefore(),
    "cut short": faults.Short(by=100_000),
    "cut to nothing": faults.Short(by=1 << 30),
    "expired token": faults.ExpiredToken(),
}


@pytest.mark.parametrize("skip", [0, 1, 3], ids=["first", "middle", "last"])
@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("offset", [0, 1000])
def test_a_download_survives(drive_server: DriveServer, effect: faults.Effect, skip: int, offset: int) -> None:
    """Whatever strikes one request, the sink gets each byte once."""
    remote = client(drive_server)
    remote.put("big", BytesSource(BIG))
    drive_server.faults.add(Fault(MEDIA, effect, skip=skip))
    assert read(remote, "big", offset) == BIG[offset:]
    assert drive_server.faults.pending == []


def test_an_answer_that_was_cut_off_is_asked_again_in_smaller_pieces(drive_server: DriveServer) -> None:
    """Half an answer may be half of a 503's page: nothing of it reaches the sink."""
    remote = client(drive_server, chunk=2 * MIB)
    remote.put("big", BytesSource(BIG))
    drive_server.faults.add(Fault(MEDIA, faults.Short(by=1000), skip=1))
    assert read(remote, "big", 5) == BIG[5:]
    sent = [line.sent for line in drive_server.log if line.method_id == MEDIA]
    assert sent[0] == 2 * MIB
    assert sent[2:] == [MIB - 5]


def test_a_download_without_progress_is_given_up(drive_server: DriveServer) -> None:
    """After so many tries in a row the get raises, and what was written can be continued."""
    remote = client(drive_server, attempts=3)
    remote.put("big", BytesSource(BIG))
    drive_server.faults.add(Fault(MEDIA, faults.Refuse(), skip=1, times=3))
    sink = BytesIO()
    with pytest.raises(RemoteUnavailable, match="tries: 3"):
        remote.get("big", sink)
    assert 0 < len(sink.getvalue()) < len(BIG)
    remote.get("big", sink, len(sink.getvalue()))
    assert sink.getvalue() == BIG


def test_a_download_counts_its_tries_from_the_last_progress(drive_server: DriveServer) -> None:
    """A line that breaks at every other request, and still gets on, is not given up."""
    remote = client(drive_server, attempts=2)
    remote.put("big", BytesSource(BIG))
    turns = itertools.cycle([True, False])
    drive_server.faults.add(Fault(faults.Match(MEDIA, where=lambda call: next(turns)), faults.Refuse(), times=None))
    assert read(remote, "big") == BIG


def test_bytes_are_asked_for_as_they_are(drive_server: DriveServer) -> None:
    """A range of packed bytes would be none of the file."""
    remote = client(drive_server)
    remote.put("big", BytesSource(BIG))
    packed = faults.Match(MEDIA, where=lambda call: call.headers["Accept-Encoding"] != "identity")
    drive_server.faults.add(Fault(packed, faults.Refuse(), times=None))
    assert read(remote, "big") == BIG


def test_requests_grow_while_they_are_quick(drive_server: DriveServer) -> None:
    """Latency is paid for each request."""
    remote = client(drive_server)
    remote.put("big", BytesSource(BIG))
    read(remote, "big")
    assert [line.sent for line in drive_server.log if line.method_id == MEDIA] == [
        CHUNK,
        2 * CHUNK,
        4 * CHUNK,
        5 * CHUNK,
    ]


def test_an_empty_file_needs_no_request_for_its_bytes(drive_server: DriveServer) -> None:
    """There is no range of nothing; Drive would answer 416."""
    remote = client(drive_server)
    remote.put("empty", BytesSource(b""))
    assert read(remote, "empty") == b""
    assert calls(drive_server, MEDIA) == 0


def test_a_wrong_byte_in_one_request_reaches_nobody(drive_server: DriveServer) -> None:
    """The md5 is compared before anything is written; it is passing, and the next try is right."""
    remote = client(drive_server, chunk=4 * MIB)
    remote.put("big", BytesSource(BIG))
    drive_server.faults.add(Fault(MEDIA, faults.FlipSent(at=12345)))
    sink = BytesIO()
    with pytest.raises(RemoteUnavailable, match="md5"):
        remote.get("big", sink)
    assert sink.getvalue() == b""
    assert read(remote, "big") == BIG


def test_a_wrong_byte_among_several_requests_is_refused(drive_server: DriveServer) -> None:
    """Bytes have been written by then, so nobody may go on behind them: not even a wrapper that tries again."""
    remote = client(drive_server)
    remote.put("big", BytesSource(BIG))
    drive_server.faults.add(Fault(MEDIA, faults.FlipSent(at=12345)))
    sink = BytesIO()
    with pytest.raises(RemoteRefused, match="from its beginning"):
        Retrying(remote, wait=drive_server.wait).get("big", sink)
    assert len(sink.getvalue()) < len(BIG)
    assert read(remote, "big") == BIG


@pytest.mark.parametrize("replacement", [OTHER, OTHER[:MIB], OTHER * 2], ids=["same size", "shorter", "longer"])
@pytest.mark.parametrize("offset", [0, 1000])
def test_two_contents_are_never_put_together(drive_server: DriveServer, replacement: bytes, offset: int) -> None:
    """A file that is replaced while it is read: refused, with a hint to begin again."""
    remote, account = client(drive_server), drive_server.account
    remote.put("big", BytesSource(BIG))
    seen: list[str] = []

    def replace(call: Call) -> bool:
        seen.append(call.target)
        if len(seen) == 3:
            account.update(only_file(drive_server, "big").id, blob=account.contents.store(replacement))
        return False

    drive_server.faults.add(Fault(faults.Match(MEDIA, where=replace), faults.CloseBefore()))
    with pytest.raises(RemoteRefused, match="from its beginning"):
        remote.get("big", BytesIO(), offset)
    assert read(remote, "big") == replacement


def test_a_file_replaced_before_the_first_byte_is_passing(drive_server: DriveServer) -> None:
    """Nothing has been written, so the next try may begin anew; it is not tried here with what was told before."""
    remote, account = client(drive_server), drive_server.account
    remote.put("big", BytesSource(BIG))
    seen: list[str] = []

    def replace(call: Call) -> bool:
        if not seen:
            account.update(only_file(drive_server, "big").id, blob=account.contents.store(OTHER * 2))
        seen.append(call.target)
        return False

    drive_server.faults.add(Fault(faults.Match(MEDIA, where=replace), faults.CloseBefore()))
    with pytest.raises(RemoteUnavailable, match="replaced"):
        remote.get("big", BytesIO())
    assert len(seen) == 1
    assert read(remote, "big") == OTHER * 2


def test_a_file_that_vanishes_while_it_is_read_is_refused(drive_server: DriveServer) -> None:
    """Deleted between two requests."""
    remote = client(drive_server)
    remote.put("big", BytesSource(BIG))
    seen: list[str] = []

    def delete(call: Call) -> bool:
        seen.append(call.target)
        if len(seen) == 2:
            drive_server.account.delete(only_file(drive_server, "big").id)
        return False

    drive_server.faults.add(Fault(faults.Match(MEDIA, where=delete), faults.CloseBefore()))
    with pytest.raises(RemoteRefused, match="removed or replaced"):
        remote.get("big", BytesIO())


def test_a_file_that_drive_takes_for_malware_is_still_the_users(drive_server: DriveServer) -> None:
    """It is asked for again with the word that Drive wants, and only then."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"abc"))
    unaware = faults.Match(MEDIA, where=lambda call: call.query.get("acknowledgeAbuse") != "true")
    drive_server.faults.add(Fault(unaware, faults.Refuse(403, "cannotDownloadAbusiveFile"), times=None))
    assert read(remote, "a") == b"abc"
    assert calls(drive_server, MEDIA) == 2


def test_what_the_sink_cannot_take_is_the_sinks_error(drive_server: DriveServer) -> None:
    """A full local disk is not taken for Drive's failure."""

    class Full(BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    remote = client(drive_server)
    remote.put("a", BytesSource(b"abc"))
    with pytest.raises(OSError, match="No space left"):
        remote.get("a", Full())


def test_what_is_not_there_is_told_with_its_folder(drive_server: DriveServer) -> None:
    """Refused, and the text says where it was looked for."""
    with pytest.raises(RemoteRefused, match=f"{FOLDER}/nothing is not there"):
        read(client(drive_server), "nothing")
