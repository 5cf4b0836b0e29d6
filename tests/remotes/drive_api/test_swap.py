"""Compare-and-swap: of several writers one wins, and nobody is told that he won when he did not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from drive_server import faults
from drive_server.calls import Call
from drive_server.faults import Fault
from drive_server.server import DriveServer
from remotes.drive_api.clients import FOLDER, client, only_file

from colab_resume.errors import Overtaken, RemoteRefused
from colab_resume.remotes import BytesSource
from colab_resume.testing import ManualClock

__all__: list[str] = []


def test_what_was_read_can_be_replaced(drive_server: DriveServer) -> None:
    """Create, read, replace, replace again with the tag that the swap gave."""
    remote, other = client(drive_server), client(drive_server)
    assert remote.read_tagged("lease") is None
    first = remote.swap("lease", b"mine", None)
    assert other.read_tagged("lease") == (b"mine", first)
    second = other.swap("lease", b"theirs", first)
    third = other.swap("lease", b"still theirs", second)
    assert remote.read_tagged("lease") == (b"still theirs", third)


def test_who_read_before_a_change_is_overtaken(drive_server: DriveServer) -> None:
    """An old tag replaces nothing."""
    remote, other = client(drive_server), client(drive_server)
    tag = remote.swap("lease", b"mine", None)
    other.swap("lease", b"theirs", tag)
    with pytest.raises(Overtaken):
        remote.swap("lease", b"mine again", tag)
    assert read_content(drive_server) == b"theirs"


def read_content(server: DriveServer) -> bytes:
    return server.account.content(only_file(server, "lease").id)


def test_a_put_counts_as_a_change(drive_server: DriveServer) -> None:
    """An ordinary write between reading and replacing."""
    remote = client(drive_server)
    tag = remote.swap("lease", b"mine", None)
    remote.put("lease", BytesSource(b"put"))
    with pytest.raises(Overtaken):
        remote.swap("lease", b"mine again", tag)


@pytest.mark.parametrize("gone", ["deleted", "trashed"])
def test_what_is_gone_cannot_be_replaced(drive_server: DriveServer, gone: str) -> None:
    """Who lost his lease must not bring it back to life."""
    remote = client(drive_server)
    tag = remote.swap("lease", b"mine", None)
    if gone == "deleted":
        remote.delete("lease")
    else:
        drive_server.account.update(only_file(drive_server, "lease").id, trashed=True)
    with pytest.raises(Overtaken):
        remote.swap("lease", b"mine again", tag)
    assert remote.read_tagged("lease") is None


def test_what_is_there_cannot_be_created(drive_server: DriveServer) -> None:
    """None means that it must not exist."""
    client(drive_server).swap("lease", b"mine", None)
    with pytest.raises(Overtaken):
        client(drive_server).swap("lease", b"theirs", None)
    assert read_content(drive_server) == b"mine"


def test_of_two_creators_the_first_wins(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """Drive keeps both files; the younger one is taken back by who made it."""
    remote = client(drive_server)
    remote.put("other", BytesSource(b"x"))
    account = drive_server.account

    def just_before(call: Call) -> bool:
        if not account.find(f"{FOLDER}/lease"):
            blob = account.contents.store(b"theirs")
            account.create(blob=blob, name="lease", parent=account.find(FOLDER)[0].id)
            drive_clock.advance(1)
        return False

    drive_server.faults.add(Fault(faults.Match("drive.files.insert", where=just_before), faults.CloseBefore()))
    with pytest.raises(Overtaken):
        remote.swap("lease", b"mine", None)
    assert read_content(drive_server) == b"theirs"


def test_of_two_files_everybody_reads_the_oldest(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """A creator that died before he took his file back has won nothing."""
    remote = client(drive_server)
    tag = remote.swap("lease", b"the winner's", None)
    drive_clock.advance(1)
    account = drive_server.account
    blob = account.contents.store(b"the loser's")
    account.create(blob=blob, name="lease", parent=account.find(FOLDER)[0].id)
    assert client(drive_server).read_tagged("lease") == (b"the winner's", tag)


def test_content_and_tag_belong_together(drive_server: DriveServer) -> None:
    """Replaced between the question for the tag and that for the content: both are read again."""
    remote, account = client(drive_server), drive_server.account
    remote.swap("lease", b"old", None)
    seen: list[str] = []

    def replace(call: Call) -> bool:
        if not seen:
            account.update(only_file(drive_server, "lease").id, blob=account.contents.store(b"new"))
        seen.append(call.target)
        return False

    drive_server.faults.add(Fault(faults.Match("drive.files.get_media", where=replace), faults.CloseBefore()))
    read = remote.read_tagged("lease")
    assert read is not None
    assert read[0] == b"new"
    remote.swap("lease", b"mine", read[1])


def test_an_etag_that_moved_by_itself_hinders_nobody(drive_server: DriveServer) -> None:
    """Drive changes etags when nothing has changed that anybody can see."""
    remote = client(drive_server)
    tag = remote.swap("lease", b"mine", None)
    drive_server.account.touch_version(only_file(drive_server, "lease").id)
    remote.swap("lease", b"mine again", tag)
    assert read_content(drive_server) == b"mine again"


@pytest.mark.parametrize("exists", [True, False])
def test_a_swap_whose_answer_was_lost_is_a_swap(drive_server: DriveServer, exists: bool) -> None:
    """The HTTP client sends it again, Drive refuses that, and the content tells that it was done."""
    remote = client(drive_server)
    tag = remote.swap("lease", b"old", None) if exists else None
    remote.put("other", BytesSource(b"x"))
    drive_server.faults.add(Fault("drive.files.update" if exists else "drive.files.insert", faults.DoneButClosed()))
    new = remote.swap("lease", b"mine", tag)
    assert remote.read_tagged("lease") == (b"mine", new)


def test_of_many_writers_one_wins_each_round(drive_server: DriveServer) -> None:
    """Eight threads with clients of their own."""
    clients = [client(drive_server) for _ in range(8)]
    tag = clients[0].swap("lease", b"nobody's", None)

    def take(number: int) -> int | None:
        try:
            clients[number].swap("lease", f"thread {number}".encode(), tag)
        except Overtaken:
            return None
        return number

    with ThreadPoolExecutor(8) as threads:
        (winner,) = [number for number in threads.map(take, range(8)) if number is not None]
    assert read_content(drive_server) == f"thread {winner}".encode()


def test_a_word_that_is_no_tag_is_refused(drive_server: DriveServer) -> None:
    """A tag is given back as it is."""
    with pytest.raises(RemoteRefused, match="no tag"):
        client(drive_server).swap("lease", b"x", "tag")
