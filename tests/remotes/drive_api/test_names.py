"""Names on Drive are not unique and are found late; here each has one content, at once, and no other is touched."""

from __future__ import annotations

import itertools

import pytest
from contract_remote import BIG, read, sizes
from drive_server import faults
from drive_server.calls import Call
from drive_server.faults import Fault
from drive_server.items import FOLDER as KIND
from drive_server.items import Item
from drive_server.server import DriveServer
from remotes.drive_api.clients import FOLDER, calls, client, md5, only_file

from colab_resume.errors import RemoteRefused, RemoteUnavailable
from colab_resume.remotes import BytesSource, Entry
from colab_resume.testing import ManualClock

__all__: list[str] = []


def add_file(server: DriveServer, name: str, content: bytes, parent: str | None = None, **fields: str) -> Item:
    folder = parent or server.account.find(FOLDER)[0].id
    return server.account.create(blob=server.account.contents.store(content), name=name, parent=folder, **fields)


def add_folder(server: DriveServer, name: str, parent: str) -> Item:
    return server.account.create(name=name, parent=parent, mime=KIND)


def test_no_list_asks_for_a_name(drive_server: DriveServer) -> None:
    """Drive's index of names lags, so lists are by folder."""
    remote = client(drive_server)
    remote.put("packs/a", BytesSource(b"x"))
    remote.list("packs")
    remote.delete("packs/a")
    asked = [line.path for line in drive_server.log if line.method_id == "drive.files.list"]
    assert asked
    assert not [path for path in asked if "title" in path.replace("title%2C", "")]


def test_folders_are_looked_for_once(drive_server: DriveServer) -> None:
    """A put of a name that is known is one request, one of a new name needs the list of its folder, too."""
    remote = client(drive_server)
    remote.put("packs/a", BytesSource(b"x"))
    before = len(drive_server.log)
    remote.put("packs/a", BytesSource(b"y"))
    assert len(drive_server.log) == before + 1
    remote.put("packs/b", BytesSource(b"z"))
    assert len(drive_server.log) == before + 3


def test_a_folder_whose_making_was_not_answered_is_there_once(drive_server: DriveServer) -> None:
    """The HTTP client asks again, and Drive says that the id is taken."""
    drive_server.faults.add(Fault("drive.files.insert", faults.DoneButClosed()))
    client(drive_server).put("a", BytesSource(b"x"))
    assert len(drive_server.account.find("runs")) == 1
    assert only_file(drive_server, "a").size == 1


def test_of_two_folders_all_is_read_and_the_oldest_is_written(
    drive_server: DriveServer, drive_clock: ManualClock
) -> None:
    """Two sessions that made a folder at the same moment have one folder in effect."""
    account = drive_server.account
    runs = add_folder(drive_server, "runs", account.root.id)
    older = add_folder(drive_server, "here", runs.id)
    drive_clock.advance(1)
    younger = add_folder(drive_server, "here", runs.id)
    add_file(drive_server, "a", b"in the older", older.id)
    add_file(drive_server, "b", b"in the younger", younger.id)
    remote = client(drive_server)
    assert sizes(remote, "") == {"a": 12, "b": 14}
    assert read(remote, "b") == b"in the younger"
    remote.put("c", BytesSource(b"new"))
    remote.put("b", BytesSource(b"replaced where it is"))
    assert {item.name for item in account.children(older.id)} == {"a", "c"}
    assert {item.name for item in account.children(younger.id)} == {"b"}
    remote.delete("b")
    assert account.children(younger.id) == []


def test_a_folder_made_by_two_at_the_same_moment(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """Who made the younger one writes to the older one, too."""
    account = drive_server.account
    made: list[str] = []

    def just_before(call: Call) -> bool:
        if not made:
            made.append(add_folder(drive_server, "runs", account.root.id).id)
            drive_clock.advance(1)
        return False

    drive_server.faults.add(Fault(faults.Match("drive.files.insert", where=just_before), faults.CloseBefore()))
    client(drive_server).put("a", BytesSource(b"x"))
    older, younger = account.find("runs")
    assert older.id == made[0]
    assert account.children(younger.id) == []
    assert only_file(drive_server, "a").size == 1


def test_of_two_files_the_newest_counts(drive_server: DriveServer, drive_clock: ManualClock) -> None:
    """One entry, its content, and a delete that leaves none of them."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"first"))
    drive_clock.advance(1)
    add_file(drive_server, "a", b"second, from elsewhere")
    assert list(remote.list("")) == [Entry("a", 22, md5(b"second, from elsewhere"))]
    for reader in (remote, client(drive_server)):
        assert read(reader, "a") == b"second, from elsewhere"
    remote.delete("a")
    assert drive_server.account.find(f"{FOLDER}/a") == []


def test_what_is_no_object_is_not_listed(drive_server: DriveServer) -> None:
    """Documents have no bytes, and on Drive a name may hold a slash; neither can be an object."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"x"))
    here = drive_server.account.find(FOLDER)[0].id
    add_file(drive_server, "with/slash", b"x")
    add_file(drive_server, "..", b"x")
    drive_server.account.create(name="text", parent=here, mime="application/vnd.google-apps.document")
    assert sizes(remote, "") == {"a": 1}


def test_the_folders_in_it_are_told_each_once(drive_server: DriveServer) -> None:
    """Neither files nor what no object's name can begin with; a doubled folder is one."""
    remote = client(drive_server)
    assert list(remote.folders()) == []
    for name in ("file", "b/x", "a/x", "a/deeper/x"):
        remote.put(name, BytesSource(b"x"))
    here = drive_server.account.find(FOLDER)[0].id
    for name in ("a", "with/slash", ".."):
        add_folder(drive_server, name, here)
    assert list(remote.folders()) == ["a", "b"]
    assert list(client(drive_server).folders()) == ["a", "b"]


def test_names_that_differ_in_case_are_different(drive_server: DriveServer) -> None:
    """Drive's own comparison of names does not see it."""
    remote = client(drive_server)
    remote.put("Packs/a", BytesSource(b"1"))
    remote.put("packs/a", BytesSource(b"22"))
    remote.put("packs/A", BytesSource(b"333"))
    assert sizes(remote, "Packs") == {"Packs/a": 1}
    assert sizes(remote, "packs") == {"packs/a": 2, "packs/A": 3}


@pytest.mark.parametrize("content", [b"small", BIG], ids=["small", "big"])
@pytest.mark.parametrize(
    ("what", "change"),
    [("a", "moved"), *itertools.product(["a", "packs", "top"], ["trashed", "deleted"])],
)
def test_what_the_user_took_away_is_made_anew(
    drive_server: DriveServer, what: str, change: str, content: bytes
) -> None:
    """A file or folder that was removed or moved on drive.google.com is not written to any more."""
    remote = client(drive_server)
    remote.put("packs/a", BytesSource(b"old"))
    account = drive_server.account
    path = {"a": f"{FOLDER}/packs/a", "packs": f"{FOLDER}/packs", "top": "runs"}[what]
    taken = account.find(path)[0].id
    elsewhere = add_folder(drive_server, "elsewhere", account.root.id).id
    if change == "trashed":
        account.update(taken, trashed=True)
    elif change == "deleted":
        account.delete(taken)
    else:
        account.update(taken, parent=elsewhere)
    remote.put("packs/a", BytesSource(content))
    found = [item for item in account.find(f"{FOLDER}/packs/a") if not account.is_trashed(item)]
    assert [account.content(item.id) for item in found] == [content]
    assert read(remote, "packs/a") == content
    assert read(client(drive_server), "packs/a") == content


@pytest.mark.parametrize("change", ["trashed", "deleted"])
def test_a_removed_folder_lists_nothing_and_its_successor_lists_all(drive_server: DriveServer, change: str) -> None:
    """A folder that shows nothing is looked for again."""
    remote, other = client(drive_server), client(drive_server)
    remote.put("packs/a", BytesSource(b"x"))
    removed = drive_server.account.find(FOLDER)[0].id
    if change == "trashed":
        drive_server.account.update(removed, trashed=True)
    else:
        drive_server.account.delete(removed)
    assert list(remote.list("packs")) == []
    other.put("packs/b", BytesSource(b"y"))
    assert sizes(remote, "packs") == {"packs/b": 1}


def test_a_file_in_the_trash_is_not_there(drive_server: DriveServer) -> None:
    """Neither listed nor read, although its id still answers."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"x"))
    drive_server.account.update(only_file(drive_server, "a").id, trashed=True)
    with pytest.raises(RemoteRefused, match="is not there"):
        read(remote, "a")
    assert list(remote.list("")) == []


def test_delete_is_for_good(drive_server: DriveServer) -> None:
    """What went to the trash would still take room."""
    remote = client(drive_server)
    remote.put("a", BytesSource(BIG))
    remote.delete("a")
    assert drive_server.account.trash == []
    assert drive_server.account.used == 0
    assert calls(drive_server, "drive.files.trash") == calls(drive_server, "drive.files.emptyTrash") == 0


def test_nothing_outside_the_folder_is_touched(drive_server: DriveServer) -> None:
    """Neighbours of the same names stay as they are."""
    account = drive_server.account
    outside = [
        add_file(drive_server, "a", b"mine", account.root.id),
        add_folder(drive_server, "here", account.root.id),
        add_file(drive_server, "here", b"mine", add_folder(drive_server, "runs", account.root.id).id),
    ]
    remote = client(drive_server)
    remote.put("a", BytesSource(b"x"))
    remote.put("a", BytesSource(b"y"))
    remote.list("")
    remote.delete("a")
    assert [account.get(item.id) for item in outside] == outside


def test_a_delete_that_was_done_already_is_done(drive_server: DriveServer) -> None:
    """Its answer was lost, and the repeated request says 404."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"x"))
    drive_server.faults.add(Fault("drive.files.delete", faults.DoneButClosed()))
    remote.delete("a")
    assert drive_server.account.find(f"{FOLDER}/a") == []


def test_a_list_that_breaks_off_is_no_list(drive_server: DriveServer) -> None:
    """Half of the names would look like the loss of the others."""
    remote = client(drive_server)
    for name in "abc":
        remote.put(name, BytesSource(b"x"))
    drive_server.account.page_limit = 2
    drive_server.faults.add(Fault("drive.files.list", faults.Refuse(), skip=1))
    with pytest.raises(RemoteUnavailable):
        remote.list("")
    assert len(remote.list("")) == 3


def test_many_pages_are_one_list(drive_server: DriveServer) -> None:
    """Whatever number of entries Drive gives at a time."""
    remote = client(drive_server)
    for number in range(12):
        remote.put(f"{number:02}", BytesSource(b"x"))
    drive_server.account.page_limit = 5
    assert list(sizes(remote, "")) == [f"{number:02}" for number in range(12)]
