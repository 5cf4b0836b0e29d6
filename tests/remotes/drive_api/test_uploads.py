"""Uploads: whole or not at all, never twice, on from where they stopped, whatever befalls them."""

from __future__ import annotations

import multiprocessing
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from checkpoints.drafts import slab
from contract_remote import BIG, Misjudged, read
from drive_server import faults
from drive_server.answers import Answer
from drive_server.calls import Call
from drive_server.faults import Fault
from drive_server.server import DriveServer
from drive_server.sessions import Session
from drive_server.uploads import Uploads
from remotes.drive_api.clients import (
    CHUNK,
    FOLDER,
    Interrupting,
    bodies_received,
    calls,
    client,
    credentials,
    md5,
    only_file,
)

from colab_resume.checkpoints.pack import write_pack
from colab_resume.checkpoints.uploading import PackSource
from colab_resume.errors import DamagedCheckpoint, RemoteFull, RemoteRefused, RemoteUnavailable
from colab_resume.remotes import BytesSource, Receipt
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.testing import ManualClock

__all__: list[str] = []

MIB = 1 << 20
SMALL = b"a small one"

PASSING = {
    "503": faults.Refuse(),
    "429": faults.Refuse(429, "rateLimitExceeded"),
    "rate limit": faults.Refuse(403, "userRateLimitExceeded"),
    "closed before": faults.CloseBefore(),
    "closed amid": faults.CloseAmid(after=300_000),
    "closed after": faults.CloseAfter(),
    "done, but 503": faults.DoneBut(),
    "done, but closed": faults.DoneButClosed(),
    "expired token": faults.ExpiredToken(),
    "answer cut short": faults.Short(),
}
ANEW = {
    "404": faults.SessionDead(404),
    "410": faults.SessionDead(410),
    "400": faults.Refuse(400, "badRequest"),
}


@pytest.mark.parametrize("skip", [0, 1, 3], ids=["first", "middle", "last"])
@pytest.mark.parametrize("effect", [*PASSING.values(), *ANEW.values()], ids=[*PASSING, *ANEW])
def test_an_upload_survives(drive_server: DriveServer, effect: faults.Effect, skip: int) -> None:
    """Whatever strikes one request of a session, there is one file at the end, and it is right."""
    drive_server.faults.add(Fault("resumable.put", effect, skip=skip))
    receipt = client(drive_server).put("big", BytesSource(BIG))
    assert drive_server.faults.pending == []
    assert receipt == Receipt("big", len(BIG), md5(BIG))
    assert drive_server.account.content(only_file(drive_server, "big").id) == BIG


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING)
def test_a_small_upload_makes_no_second_file(drive_server: DriveServer, effect: faults.Effect) -> None:
    """One request that fails is the wrapper's to repeat; then there is one file, also if the first had been done."""
    remote = client(drive_server)
    remote.put("other", BytesSource(SMALL))
    drive_server.faults.add(Fault("drive.files.insert", effect))
    for _ in range(2):
        try:
            receipt = remote.put("small", BytesSource(SMALL))
            break
        except RemoteUnavailable:
            continue
    assert receipt == Receipt("small", len(SMALL), md5(SMALL))
    assert drive_server.account.content(only_file(drive_server, "small").id) == SMALL


def test_an_id_that_is_taken_means_that_an_earlier_try_succeeded(drive_server: DriveServer) -> None:
    """The connection is lost after all was done, the HTTP client sends again, Drive says 409, and all is well."""
    remote = client(drive_server)
    remote.put("other", BytesSource(SMALL))
    before = calls(drive_server, "drive.files.insert")
    drive_server.faults.add(Fault("drive.files.insert", faults.DoneButClosed()))
    remote.put("small", BytesSource(SMALL))
    assert calls(drive_server, "drive.files.insert") == before + 2
    assert drive_server.account.content(only_file(drive_server, "small").id) == SMALL


@pytest.mark.parametrize("content", [SMALL, BIG], ids=["small", "big"])
@pytest.mark.parametrize("trashed", [False, True])
def test_what_an_earlier_try_made_gets_the_new_bytes(drive_server: DriveServer, content: bytes, trashed: bool) -> None:
    """A try that Drive finished late holds older bytes: they are replaced, or the file in the trash is left alone."""
    remote = client(drive_server)
    remote.put("other", BytesSource(SMALL))
    late: list[str] = []

    def finish_late(call: Call) -> bool:
        if not late:
            late.append(remote._begun["a"])
            account = drive_server.account
            parent = account.find(FOLDER)[0].id
            blob = account.contents.store(b"older")
            account.create(blob=blob, file_id=late[0], name="a", parent=parent, trashed=trashed)
        return False

    drive_server.faults.add(Fault(faults.Match("drive.files.insert", where=finish_late), faults.CloseBefore()))
    remote.put("a", BytesSource(content))
    found = {item.id: drive_server.account.content(item.id) for item in drive_server.account.find(f"{FOLDER}/a")}
    if trashed:
        assert found.pop(late[0]) == b"older"
    assert list(found.values()) == [content]


@pytest.mark.parametrize("content", [SMALL, BIG], ids=["small", "big"])
def test_an_existing_file_gets_new_content_and_keeps_its_id(drive_server: DriveServer, content: bytes) -> None:
    """A put on a name that is there, by the same or another client, replaces what is in the file."""
    client(drive_server).put("a", BytesSource(b"old"))
    before = only_file(drive_server, "a")
    client(drive_server).put("a", BytesSource(content))
    assert only_file(drive_server, "a").id == before.id
    assert drive_server.account.content(before.id) == content


def test_readers_see_the_old_content_until_the_new_one_is_complete(drive_server: DriveServer) -> None:
    """Half an upload changes nothing that anybody can read."""
    remote = client(drive_server, attempts=1)
    remote.put("a", BytesSource(b"old"))
    drive_server.faults.add(Fault("resumable.put", faults.Refuse(), skip=1))
    with pytest.raises(RemoteUnavailable):
        remote.put("a", BytesSource(BIG))
    assert read(client(drive_server), "a") == b"old"
    remote.put("a", BytesSource(BIG))
    assert read(client(drive_server), "a") == BIG


def test_an_upload_goes_on_where_it_stopped(drive_server: DriveServer) -> None:
    """After a lost connection only what had not arrived is sent."""
    drive_server.faults.add(Fault("resumable.put", faults.CloseAmid(3 * CHUNK), skip=1))
    client(drive_server, chunk=MIB).put("big", BytesSource(BIG))
    assert calls(drive_server, "resumable.query") >= 1
    assert bodies_received(drive_server) <= len(BIG) + CHUNK


def test_each_put_counts_its_tries_from_the_last_progress(drive_server: DriveServer) -> None:
    """A line that breaks again and again, and still gets on, is not given up."""
    drive_server.faults.add(Fault("resumable.put", faults.CloseAmid(CHUNK), times=7))
    client(drive_server, attempts=3).put("big", BytesSource(BIG))
    assert only_file(drive_server, "big").size == len(BIG)


def test_an_upload_without_progress_is_given_up_and_goes_on_at_the_next_put(drive_server: DriveServer) -> None:
    """After so many tries in a row the put raises; the next one finds what had arrived."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse(), skip=2, times=3))
    remote = client(drive_server, attempts=3)
    with pytest.raises(RemoteUnavailable, match=r"tries: 3"):
        remote.put("big", BytesSource(BIG))
    remote.put("big", BytesSource(BIG))
    assert calls(drive_server, "drive.files.insert") == 3, "two folders and one session"
    assert only_file(drive_server, "big").size == len(BIG)


def test_sessions_that_keep_dying_are_given_up(drive_server: DriveServer) -> None:
    """Progress in a new session that only repeats the old one's is none, so this ends."""
    drive_server.faults.add(Fault("resumable.put", faults.SessionDead(), skip=1, times=None))
    with pytest.raises(RemoteUnavailable, match=r"tries: 5"):
        client(drive_server).put("big", BytesSource(BIG))


def test_an_upload_that_is_all_there_and_not_finished_is_asked_again(
    drive_server: DriveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drive has every byte and needs a moment; nothing is sent again."""
    uploads = type(drive_server.api.uploads)
    outcome = uploads._outcome
    late: list[Answer] = []

    def hesitate(self: Uploads, session: Session, turn: int) -> Answer:
        if session.incoming.received == session.total and not late:
            late.append(Answer(308, {"Range": f"bytes=0-{session.total - 1}"}))
            return late[0]
        return outcome(self, session, turn)

    monkeypatch.setattr(uploads, "_outcome", hesitate)
    client(drive_server).put("big", BytesSource(BIG))
    assert late
    assert bodies_received(drive_server) == len(BIG)


@pytest.mark.parametrize(("asked", "waited"), [(17, 17.0), (3600, 60.0)], ids=["as asked", "a minute at most"])
def test_drive_is_given_the_time_it_asks_for(drive_server: DriveServer, asked: int, waited: float) -> None:
    """Retry-After is a lower bound of the wait."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse(503, retry_after=asked)))
    waits: list[float] = []
    client(drive_server, wait=waits.append).put("big", BytesSource(BIG))
    assert waits == [waited]


def test_waits_are_drawn_from_a_growing_range(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """Between tries there is a wait, of 1, 2, 4 ... seconds at most."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse(), times=None))
    drive_server.faults.add(Fault("resumable.query", faults.Refuse(), times=None))
    with pytest.raises(RemoteUnavailable):
        client(drive_server).put("big", BytesSource(BIG))
    assert len(drive_clock.waits) == 4
    assert all(0 <= wait <= 2**number for number, wait in enumerate(drive_clock.waits))
    assert len(set(drive_clock.waits)) == 4


def test_whatever_the_wait_raises_passes_and_the_session_stays(drive_server: DriveServer, tmp_path: Path) -> None:
    """A closing thread is not held up, and nothing that was sent is lost."""

    def closing(seconds: float) -> None:
        raise InterruptedError("closing")

    drive_server.faults.add(Fault("resumable.put", faults.Refuse(), skip=2))
    with pytest.raises(InterruptedError, match="closing"):
        client(drive_server, wait=closing, sessions=tmp_path / "kept").put("big", BytesSource(BIG))
    sent = bodies_received(drive_server)
    client(drive_server, sessions=tmp_path / "kept").put("big", BytesSource(BIG))
    assert bodies_received(drive_server) - sent < len(BIG)
    assert only_file(drive_server, "big").size == len(BIG)


def test_an_interrupt_amid_a_request_leaves_the_session(drive_server: DriveServer) -> None:
    """Ctrl-C while bytes are sent: the next put goes on, on a fresh connection."""
    remote = client(drive_server)
    source = Interrupting(BIG, after=2 * MIB)
    with pytest.raises(KeyboardInterrupt):
        remote.put("big", source)
    remote.put("big", source)
    assert bodies_received(drive_server) < len(BIG) + 7 * CHUNK, "the three requests before it carried that much"
    assert drive_server.account.content(only_file(drive_server, "big").id) == BIG


def _put_in_another_process(url: str, token: str, sessions: Path, data: Path) -> None:
    from google.oauth2.credentials import Credentials

    from colab_resume.remotes import FileSource

    remote = DriveAPI(FOLDER, credentials=Credentials(token), root_url=url, sessions=sessions, attempts=1, chunk=CHUNK)
    remote.put("packs/big", FileSource(data))


def test_a_new_process_goes_on_with_the_upload(drive_server: DriveServer, tmp_path: Path) -> None:
    """The kernel dies at 90 % of an upload; the next one sends the rest, and the file is right."""
    data = BIG * 4
    (tmp_path / "data").write_bytes(data)
    arguments = (drive_server.url, drive_server.new_token(), tmp_path / "kept", tmp_path / "data")
    spawned = multiprocessing.get_context("spawn")
    dying = Fault(
        faults.Match("resumable.put", where=lambda call: _first(call.headers["Content-Range"]) > 0.8 * len(data) // 2),
        faults.CloseAmid(int(0.4 * len(data))),
    )
    drive_server.faults.add(dying)
    first = spawned.Process(target=_put_in_another_process, args=arguments)
    first.start()
    first.join()
    assert first.exitcode == 1
    assert drive_server.faults.pending == []
    assert drive_server.account.find(f"{FOLDER}/packs/big") == []
    second = spawned.Process(target=_put_in_another_process, args=arguments)
    second.start()
    second.join()
    assert second.exitcode == 0
    assert drive_server.account.content(only_file(drive_server, "packs/big").id) == data
    assert bodies_received(drive_server) <= 1.15 * len(data)
    assert list((tmp_path / "kept").iterdir()) == []


def _first(content_range: str) -> int:
    return int(content_range.removeprefix("bytes ").partition("-")[0])


def test_kept_sessions_are_for_their_owner_alone(drive_server: DriveServer, tmp_path: Path) -> None:
    """The folder is 0700, the files are 0600: they hold what opens an upload."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path / "a" / "kept", attempts=1).put("big", BytesSource(BIG))
    (kept,) = (tmp_path / "a" / "kept").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_session_of_another_size_is_not_asked(drive_server: DriveServer, tmp_path: Path) -> None:
    """The name has got other bytes since."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path, attempts=1).put("big", BytesSource(BIG))
    client(drive_server, sessions=tmp_path).put("big", BytesSource(BIG + b"x"))
    assert calls(drive_server, "resumable.query") == 0
    assert only_file(drive_server, "big").size == len(BIG) + 1


def test_what_is_deleted_is_not_continued(drive_server: DriveServer, tmp_path: Path) -> None:
    """Its upload under way is given up, too."""
    remote = client(drive_server, sessions=tmp_path, attempts=1)
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        remote.put("big", BytesSource(BIG))
    remote.delete("big")
    assert list(tmp_path.iterdir()) == []
    remote.put("big", BytesSource(BIG))
    assert calls(drive_server, "resumable.query") == 0


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b'{"name": 1}', b"\xff"],
    ids=["empty", "torn", "list", "null", "types", "no text"],
)
def test_a_damaged_session_is_none(drive_server: DriveServer, tmp_path: Path, damage: bytes) -> None:
    """What the disk has made of the file costs a new beginning, nothing else."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path, attempts=1).put("big", BytesSource(BIG))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(damage)
    client(drive_server, sessions=tmp_path).put("big", BytesSource(BIG))
    assert only_file(drive_server, "big").size == len(BIG)


def test_a_session_folder_that_cannot_be_written_hinders_nothing(drive_server: DriveServer, tmp_path: Path) -> None:
    """Uploads go on without it."""
    (tmp_path / "file").write_bytes(b"")
    client(drive_server, sessions=tmp_path / "file" / "kept").put("big", BytesSource(BIG))
    assert only_file(drive_server, "big").size == len(BIG)


def test_an_old_session_is_not_asked(drive_server: DriveServer, drive_clock: ManualClock, tmp_path: Path) -> None:
    """Drive forgets them after a week, so after six days the upload begins anew."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path, attempts=1).put("big", BytesSource(BIG))
    drive_clock.advance(6.1 * 24 * 3600)
    client(drive_server, sessions=tmp_path).put("big", BytesSource(BIG))
    assert calls(drive_server, "resumable.query") == 0
    assert only_file(drive_server, "big").size == len(BIG)


def test_a_session_of_other_bytes_is_not_continued_silently(drive_server: DriveServer, tmp_path: Path) -> None:
    """Same name and size, other content: the md5 of the mixture gives it away, and the next try is right."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse(), skip=2))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path, attempts=1).put("big", BytesSource(BIG))
    other = BIG[::-1]
    remote = client(drive_server, sessions=tmp_path)
    with pytest.raises(RemoteUnavailable, match="corrupted on the way"):
        remote.put("big", BytesSource(other))
    assert drive_server.account.find(f"{FOLDER}/big") == []
    remote.put("big", BytesSource(other))
    assert drive_server.account.content(only_file(drive_server, "big").id) == other


def test_a_session_in_another_account_is_not_used(drive_server: DriveServer, tmp_path: Path) -> None:
    """The same folder of sessions, another Drive: the file goes where the credentials belong."""
    drive_server.faults.add(Fault("resumable.put", faults.Refuse()))
    with pytest.raises(RemoteUnavailable):
        client(drive_server, sessions=tmp_path, attempts=1).put("big", BytesSource(BIG))
    (theirs,) = drive_server.account.find("runs")
    drive_server.account.update(theirs.id, name="what the other account sees")
    client(drive_server, sessions=tmp_path).put("big", BytesSource(BIG))
    assert only_file(drive_server, "big").size == len(BIG)


@pytest.mark.parametrize("content", [SMALL * 2000, BIG], ids=["small", "big"])
def test_a_byte_that_changed_on_the_way_is_noticed(drive_server: DriveServer, content: bytes) -> None:
    """Drive tells another md5 than the source has: the file is removed, and the put raises."""
    method = "resumable.put" if content is BIG else "drive.files.insert"
    remote = client(drive_server)
    remote.put("other", BytesSource(b"x"))
    drive_server.faults.add(Fault(method, faults.FlipReceived(at=10_000)))
    with pytest.raises(RemoteUnavailable, match="corrupted on the way"):
        remote.put("a", BytesSource(content))
    assert drive_server.account.find(f"{FOLDER}/a") == []
    remote.put("a", BytesSource(content))
    assert drive_server.account.content(only_file(drive_server, "a").id) == content


@pytest.mark.parametrize("claimed", [-1, 1], ids=["longer", "shorter"])
@pytest.mark.parametrize("content", [SMALL, BIG], ids=["small", "big"])
def test_a_source_of_another_size_completes_nothing(drive_server: DriveServer, content: bytes, claimed: int) -> None:
    """More or fewer bytes than promised: no file appears."""
    with pytest.raises(RemoteUnavailable, match="from its source"):
        client(drive_server).put("a", Misjudged(content, len(content) + claimed))
    assert drive_server.account.find(f"{FOLDER}/a") == []


class Counted:
    """A source that counts what is read."""

    size = len(BIG)

    def __init__(self) -> None:
        self.count = 0

    def open(self, offset: int = 0) -> BinaryIO:
        counted = self

        class Stream(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                block = super().read(size)
                counted.count += len(block)
                return block

        stream = Stream(BIG)
        stream.seek(offset)
        return stream


def test_a_source_is_read_once(drive_server: DriveServer) -> None:
    """Its md5 is computed while it is sent; only what has to be sent again is read again."""
    undisturbed, disturbed = Counted(), Counted()
    client(drive_server).put("a", undisturbed)
    assert undisturbed.count == len(BIG)
    drive_server.faults.add(Fault("resumable.put", faults.CloseAmid(CHUNK), skip=1))
    client(drive_server).put("b", disturbed)
    assert len(BIG) <= disturbed.count <= len(BIG) + 2 * CHUNK


class Rotten:
    """A source whose owner finds out, while it is read, that it is damaged."""

    size = len(BIG)

    def open(self, offset: int = 0) -> BinaryIO:
        class Stream(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if self.tell() > 2 * MIB:
                    raise DamagedCheckpoint("rotten", hint="throw it away")
                return super().read(size)

        stream = Stream(BIG)
        stream.seek(offset)
        return stream


def test_a_source_that_proves_damaged_completes_nothing(drive_server: DriveServer) -> None:
    """Its own error comes out, and no file appears."""
    with pytest.raises(DamagedCheckpoint):
        client(drive_server).put("big", Rotten())
    assert drive_server.account.find(f"{FOLDER}/big") == []


def test_a_pack_is_proved_on_its_way(drive_server: DriveServer, tmp_path: Path) -> None:
    """Begun by one process and finished by another: a good pack arrives, and a rotten one does not."""
    path = tmp_path / "pack"
    info = write_pack(path, [slab("a", 1, 3 * MIB)])
    data = path.read_bytes()
    for content in (data[:-100_000] + b"x" + data[-99_999:], data):
        path.write_bytes(data)
        drive_server.faults.add(Fault("resumable.put", faults.CloseAmid(CHUNK), skip=1))
        with pytest.raises(RemoteUnavailable):
            client(drive_server, sessions=tmp_path / "kept", attempts=1).put("pack", PackSource(path, info))
        path.write_bytes(content)
        remote = client(drive_server, sessions=tmp_path / "kept")
        if content != data:
            with pytest.raises(DamagedCheckpoint):
                remote.put("pack", PackSource(path, info))
            assert drive_server.account.find(f"{FOLDER}/pack") == []
            path.write_bytes(data)
        remote.put("pack", PackSource(path, info))
        assert drive_server.account.content(only_file(drive_server, "pack").id) == data
        remote.delete("pack")


class Unreadable:
    size = len(BIG)

    def open(self, offset: int = 0) -> BinaryIO:
        raise FileNotFoundError(2, "No such file or directory")


def test_a_source_that_cannot_be_read_is_told_apart(drive_server: DriveServer) -> None:
    """The local disk's failure is not taken for Drive's, and not tried again here."""
    waits: list[float] = []
    with pytest.raises(RemoteUnavailable, match="its source cannot be read"):
        client(drive_server, wait=waits.append).put("big", Unreadable())
    assert waits == []


def test_chunks_grow_while_they_are_quick_and_shrink_after_a_break(drive_server: DriveServer) -> None:
    """Latency is paid for each request, a break for what it carried."""
    client(drive_server, chunk=CHUNK).put("a", BytesSource(BIG))
    sizes = [line.received for line in drive_server.log if line.method_id == "resumable.put"]
    assert sizes == [CHUNK, 2 * CHUNK, 4 * CHUNK, 5 * CHUNK]
    drive_server.log.clear()
    drive_server.faults.add(Fault("resumable.put", faults.CloseBefore()))
    client(drive_server, chunk=2 * MIB).put("b", BytesSource(BIG))
    # One that got no answer may be in the log late, and twice: the HTTP client repeats it, without its body.
    sizes = [line.received for line in drive_server.log if line.method_id == "resumable.put" and line.received]
    assert sizes == [MIB, 2 * MIB]


def test_chunks_do_not_grow_on_a_slow_line(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """A chunk that takes long is long enough."""
    drive_server.faults.add(Fault("resumable.put", faults.Delay(6.0), times=None))
    client(drive_server, chunk=MIB).put("a", BytesSource(BIG))
    sizes = [line.received for line in drive_server.log if line.method_id == "resumable.put"]
    assert sizes == [MIB] * 3


def test_a_full_drive_is_said_and_not_tried_again(drive_server: DriveServer) -> None:
    """`RemoteFull`, at the first answer; when there is room again the same client goes on."""
    drive_server.account.quota = MIB
    waits: list[float] = []
    remote = client(drive_server, wait=waits.append)
    with pytest.raises(RemoteFull, match="quota"):
        remote.put("big", BytesSource(BIG))
    drive_server.account.quota = 2 * MIB + len(BIG)
    drive_server.faults.add(Fault("resumable.put", faults.QuotaFull(), skip=3))
    with pytest.raises(RemoteFull):
        remote.put("big", BytesSource(BIG))
    remote.put("big", BytesSource(BIG))
    assert calls(drive_server, "resumable.query") == 0, "after a refusal an upload begins anew"
    assert waits == []


def test_a_limit_that_outlasts_the_tries_is_put_as_a_question(drive_server: DriveServer) -> None:
    """Drive's limit of a day has the words of its limit of a minute; the hint says so."""
    drive_server.faults.add(Fault("resumable.*", faults.DailyLimit(), times=None))
    with pytest.raises(RemoteUnavailable, match="750 GB"):
        client(drive_server).put("big", BytesSource(BIG))


def test_the_end_of_the_token_amid_an_upload_costs_one_new_token(drive_server: DriveServer) -> None:
    """A 401 is answered with a new token and the same bytes again."""
    remote = client(drive_server)
    drive_server.faults.add(Fault("resumable.put", faults.ExpiredToken(), skip=1))
    remote.put("big", BytesSource(BIG))
    assert calls(drive_server, "oauth2.token") == 1
    assert drive_server.account.content(only_file(drive_server, "big").id) == BIG


def test_credentials_that_end_leave_the_session_for_the_next_login(drive_server: DriveServer, tmp_path: Path) -> None:
    """Refused, with a hint to authenticate again; after that the upload goes on."""
    drive_server.faults.add(Fault("resumable.put", faults.ExpiredToken(), skip=3, times=2))
    with pytest.raises(RemoteRefused, match="authenticate"):
        client(drive_server, sessions=tmp_path).put("big", BytesSource(BIG))
    sent = bodies_received(drive_server)
    client(drive_server, sessions=tmp_path, credentials=credentials(drive_server)).put("big", BytesSource(BIG))
    assert bodies_received(drive_server) - sent < len(BIG)
    assert only_file(drive_server, "big").size == len(BIG)
