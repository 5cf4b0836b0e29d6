"""files.list: what `q` finds and refuses, pages, order, the lag of names, and the `fields` of any answer."""

from __future__ import annotations

from typing import Any

import pytest
from drive_server.fixtures import NOON
from drive_server.items import FOLDER
from drive_server.server import DriveServer
from drive_server.wire import Wire

from colab_resume.testing import ManualClock

NAME = {"v2": "title", "v3": "name"}
FILES = {"v2": "items", "v3": "files"}


@pytest.fixture
def account(drive_server: DriveServer, drive_clock: ManualClock) -> DriveServer:
    """Five files: two in a folder, one in the trash, one with an apostrophe and a backslash."""
    create = drive_server.account.create
    drive_server.account.name_index_lag = False
    top = create(name="Top", mime=FOLDER)
    create(name="Alpha-beta.bin", mime="a/b", properties={("k", "PUBLIC"): "v", ("p", "PRIVATE"): "v"})
    drive_clock.advance(1)
    create(name="alpha", parent=top.id, starred=True)
    drive_clock.advance(1)
    create(name="it's a \\ name", parent=top.id)
    create(name="gone", trashed=True)
    return drive_server


def listed(wire: Wire, version: str, **query: Any) -> list[str]:
    reply = wire("GET", f"drive/{version}/files", **query)
    assert reply.status == 200, reply.body
    return [each[NAME[version]] for each in reply.json[FILES[version]]]


FINDS = {
    "": {"Top", "Alpha-beta.bin", "alpha", "it's a \\ name", "gone"},
    "'root' in parents": {"Top", "Alpha-beta.bin", "gone"},
    "'root' in parents and trashed = false": {"Top", "Alpha-beta.bin"},
    "trashed=true": {"gone"},
    "trashed != false": {"gone"},
    "not trashed=true and not 'root' in parents": {"alpha", "it's a \\ name"},
    "NAME = 'ALPHA'": {"alpha"},
    "NAME = 'alpha-BETA.bin'": {"Alpha-beta.bin"},
    "NAME != 'alpha' and trashed = false": {"Top", "Alpha-beta.bin", "it's a \\ name"},
    "NAME contains 'alp'": {"Alpha-beta.bin", "alpha"},
    "NAME contains 'beta'": {"Alpha-beta.bin"},
    "NAME contains 'lpha'": set(),
    r"NAME = 'it\'s a \\ name'": {"it's a \\ name"},
    "NAME = 'alpha' or NAME = 'gone'": {"alpha", "gone"},
    "trashed = true or starred = true and NAME = 'alpha'": {"alpha", "gone"},
    "(trashed = true or starred = true) and NAME = 'alpha'": {"alpha"},
    f"mimeType = '{FOLDER}'": {"Top"},
    f"mimeType != '{FOLDER}' and 'root' in parents": {"Alpha-beta.bin", "gone"},
    "mimeType contains 'a/'": {"Alpha-beta.bin"},
    "starred = true": {"alpha"},
    "'me' in owners and starred = true": {"alpha"},
    "MODIFIED > '2026-11-20T12:00:01'": {"it's a \\ name", "gone"},
    "MODIFIED <= '2026-11-20T13:00:01+01:00' and trashed = false": {"Top", "Alpha-beta.bin", "alpha"},
}


@pytest.mark.parametrize("version", ["v2", "v3"])
@pytest.mark.parametrize(("q", "found"), FINDS.items(), ids=FINDS)
def test_a_query_finds(account: DriveServer, wire: Wire, version: str, q: str, found: set[str]) -> None:
    """Names are compared without case, times as instants, `contains` by beginnings of words."""
    modified = {"v2": "modifiedDate", "v3": "modifiedTime"}[version]
    assert set(listed(wire, version, q=q.replace("NAME", NAME[version]).replace("MODIFIED", modified))) == found


def test_a_query_finds_properties(account: DriveServer, wire: Wire) -> None:
    """v2 names the visibility, v3 has a word for each."""
    v2 = "properties has {{ key='{}' and value='v' and visibility='{}' }}"
    v3 = "{} has {{ key='{}' and value='v' }}"
    assert listed(wire, "v2", q=v2.format("k", "PUBLIC")) == ["Alpha-beta.bin"]
    assert listed(wire, "v2", q=v2.format("k", "PRIVATE")) == []
    assert listed(wire, "v3", q=v3.format("properties", "k")) == ["Alpha-beta.bin"]
    assert listed(wire, "v3", q=v3.format("appProperties", "p")) == ["Alpha-beta.bin"]
    assert listed(wire, "v3", q=v3.format("properties", "p")) == []


@pytest.mark.parametrize(
    "q",
    [
        "name = 'a",
        'name = "a"',
        "name = a",
        "name 'a'",
        "name = 'a' and",
        "(name = 'a'",
        "name = 'a')",
        "name > 'a'",
        "name = 'a' name = 'b'",
        "title = 'a'",
        "colour = 'red'",
        "trashed = 'false'",
        "trashed = maybe",
        "modifiedTime > 'yesterday'",
        "'root' in folders",
        "root in parents",
        r"name = 'a\b'",
        "name = 'it's'",
        "AND",
    ],
)
def test_a_query_that_drive_does_not_know_is_refused(wire: Wire, q: str) -> None:
    """400 Invalid Value, at `q`."""
    reply = wire("GET", "drive/v3/files", q=q)
    assert (reply.status, reply.json["error"]["errors"][0]["location"]) == (400, "q")


def test_a_folder_that_is_not_there_cannot_be_listed(wire: Wire) -> None:
    """404, and Drive does not say which."""
    reply = wire("GET", "drive/v3/files", q="'1xyz' in parents")
    assert (reply.status, reply.json["error"]["message"]) == (404, "File not found: .")


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_pages_hold_every_file_once(drive_server: DriveServer, wire: Wire, version: str) -> None:
    """However small the server makes them; a token belongs to its query."""
    for number in range(7):
        drive_server.account.create(name=str(number))
    drive_server.account.page_limit = 3
    found: list[list[str]] = []
    query: dict[str, Any] = {"q": "'root' in parents", {"v2": "maxResults", "v3": "pageSize"}[version]: 5}
    while True:
        page = wire("GET", f"drive/{version}/files", **query)
        found.append([each[NAME[version]] for each in page.json[FILES[version]]])
        if "nextPageToken" not in page.json:
            break
        query["pageToken"] = page.json["nextPageToken"]
    assert [len(names) for names in found] == [3, 3, 1]
    assert {name for names in found for name in names} == {str(number) for number in range(7)}
    assert wire("GET", f"drive/{version}/files", q="trashed = false", pageToken=query["pageToken"]).status == 400
    assert wire("GET", f"drive/{version}/files", pageToken="made up").status == 400


def test_lists_are_ordered_as_asked(account: DriveServer, wire: Wire) -> None:
    """By several keys, downwards where it says so; an unknown key is refused."""
    names = listed(wire, "v3", orderBy="folder,modifiedTime desc,name")
    assert names == ["Top", "gone", "it's a \\ name", "alpha", "Alpha-beta.bin"]
    for number in (10, 9):
        account.account.create(name=f"n{number}")
    assert listed(wire, "v2", orderBy="title", q="title contains 'n1' or title contains 'n9'") == ["n10", "n9"]
    assert listed(wire, "v2", orderBy="title_natural", q="title contains 'n1' or title contains 'n9'") == ["n9", "n10"]
    for version, key in (("v3", "modifiedDate"), ("v2", "name"), ("v3", "colour"), ("v3", "name downwards")):
        assert wire("GET", f"drive/{version}/files", orderBy=key).status == 400


def test_names_lag_and_parents_do_not(drive_server: DriveServer, wire: Wire) -> None:
    """A new file is found by its folder at once and by its name three lists later; a deleted one is lost so."""
    by_name, by_parent = {"q": "title = 'a'"}, {"q": "'root' in parents"}
    file_id = wire.create("a")
    assert listed(wire, "v2", **by_parent) == ["a"]
    assert [listed(wire, "v2", **by_name) for _ in range(4)] == [[], [], [], ["a"]]
    wire("DELETE", f"drive/v2/files/{file_id}")
    assert listed(wire, "v2", **by_parent) == []
    assert [listed(wire, "v2", **by_name) for _ in range(4)] == [["a"], ["a"], ["a"], []]


def test_names_catch_up_by_time_or_on_command(drive_server: DriveServer, drive_clock: ManualClock, wire: Wire) -> None:
    """Five minutes, `settle_names`, or no lag at all."""
    wire.create("a")
    drive_clock.advance(300)
    assert listed(wire, "v2", q="title = 'a'") == ["a"]
    file_id = wire.create("b")
    drive_server.account.settle_names()
    assert listed(wire, "v2", q="title = 'b'") == ["b"]
    wire("PATCH", f"drive/v2/files/{file_id}", json={"title": "c"})
    assert listed(wire, "v2", q="title = 'b'") == ["c"]
    drive_server.account.name_index_lag = False
    assert listed(wire, "v2", q="title = 'b'") == []
    assert drive_server.account.get(file_id).created == NOON + 300


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ("items(id,title)", {"items": {"id", "title"}}),
        ("kind,items/id", {"kind": None, "items": {"id"}}),
        ("items(id),items/title", {"items": {"id", "title"}}),
        (" items ( id , labels/trashed ) ", {"items": {"id", "labels"}}),
        ("items/labels(trashed,starred)", {"items": {"labels"}}),
        ("nextPageToken", {}),
    ],
)
def test_a_mask_selects(wire: Wire, fields: str, keys: dict[str, set[str] | None]) -> None:
    """Exactly what it names, at every depth."""
    wire.create("a")
    answer = wire("GET", "drive/v2/files", fields=fields).json
    assert {key: set(value[0]) if isinstance(value, list) else None for key, value in answer.items()} == keys


@pytest.mark.parametrize(
    "fields", ["items(id", "items(id))", "items(,)", "colour", "items/name", "id,,kind", "a b", "/", "*()"]
)
def test_a_mask_that_names_nothing_is_refused(wire: Wire, fields: str) -> None:
    """400 invalidParameter, at `fields`."""
    reply = wire("GET", "drive/v2/files", fields=fields)
    assert (reply.status, reply.reason) == (400, "invalidParameter")


def test_a_bad_mask_is_refused_before_anything_is_done(drive_server: DriveServer, wire: Wire) -> None:
    """A request that gets a 400 has made nothing."""
    assert wire("POST", "drive/v2/files", json={}, fields="name").status == 400
    assert wire("POST", "upload/drive/v2/files", json={}, fields="name", uploadType="resumable").status == 400
    assert drive_server.account.files == {}


def test_v3_tells_little_unless_asked(wire: Wire) -> None:
    """Four fields of a file; a star means all."""
    file_id = wire.create("a", b"1")
    assert set(wire("GET", f"drive/v3/files/{file_id}").json) == {"kind", "id", "name", "mimeType"}
    assert set(wire("GET", "drive/v3/files").json["files"][0]) == {"kind", "id", "name", "mimeType"}
    assert {"md5Checksum", "size", "parents"} <= set(wire("GET", "drive/v3/files", fields="files(*)").json["files"][0])
    assert {"md5Checksum", "size", "parents"} <= set(wire("GET", f"drive/v3/files/{file_id}", fields="*").json)


def test_a_long_question_may_come_as_a_post(account: DriveServer, wire: Wire) -> None:
    """With X-HTTP-Method-Override, and the query as a form."""
    headers = {"X-HTTP-Method-Override": "GET", "Content-Type": "application/x-www-form-urlencoded"}
    q = " or ".join(["title = 'alpha'"] * 200)
    reply = wire("POST", "drive/v2/files", f"q={q}&fields=items/title".encode(), headers=headers)
    assert reply.json == {"items": [{"title": "alpha"}]}
    assert account.log[-1].method_id == "drive.files.list"
