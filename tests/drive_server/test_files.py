"""What both versions do to files, and what they refuse: ids, etags, trash, quota, properties, folders, fields."""

from __future__ import annotations

from typing import Any

import pytest
from drive_server.items import FOLDER
from drive_server.server import DriveServer
from drive_server.wire import Wire

from colab_resume.testing import ManualClock

NAME = {"v2": "title", "v3": "name"}
BOTH = pytest.mark.parametrize("version", ["v2", "v3"])


def folder(wire: Wire, name: str, parent: str = "root") -> str:
    body = {"name": name, "mimeType": FOLDER, "parents": [parent]}
    return str(wire("POST", "drive/v3/files", json=body).json["id"])


@BOTH
def test_names_are_not_unique(drive_server: DriveServer, wire: Wire, version: str) -> None:
    """Two creations are two files; If-None-Match is ignored, as on Drive."""
    ids = {
        wire("POST", f"drive/{version}/files", json={NAME[version]: "a"}, headers={"If-None-Match": "*"}).json["id"]
        for _ in range(2)
    }
    assert {item.id for item in drive_server.account.find("a")} == ids
    assert len(ids) == 2


@BOTH
def test_an_id_must_come_from_drive_and_serves_once(drive_server: DriveServer, wire: Wire, version: str) -> None:
    """An invented one is 400; a second use is 409 fileIdInUse and makes nothing, at the start of an upload too."""
    count = {"v2": "maxResults", "v3": "count"}[version]
    wanted: dict[str, Any] = {count: 3}
    ids = wire("GET", f"drive/{version}/files/generateIds", **wanted).json["ids"]
    assert len(set(ids)) == 3
    body = {"id": ids[0], NAME[version]: "a"}
    assert wire("POST", f"drive/{version}/files", json=body).json["id"] == ids[0]
    upload: dict[str, Any] = {"uploadType": "resumable"}
    for target, query in ((f"drive/{version}/files", {}), (f"upload/drive/{version}/files", upload)):
        again = wire("POST", target, json=body, **query)
        assert (again.status, again.reason) == (409, "fileIdInUse")
        assert again.json["error"]["message"] == "A file already exists with the provided ID."
        assert wire("POST", target, json={**body, "id": "1" + "x" * 32}, **query).status == 400
    assert len(drive_server.account.files) == 1


def test_of_two_uploads_with_one_id_the_first_wins(drive_server: DriveServer, wire: Wire) -> None:
    """Both may start; the second to end gets 409 and changes nothing."""
    (file_id,) = wire("GET", "drive/v2/files/generateIds", maxResults=1).json["ids"]
    first, second = (wire.start({"id": file_id, "title": name}) for name in ("a", "b"))
    assert wire("PUT", first, b"first").status == 200
    late = wire("PUT", second, b"second")
    assert (late.status, late.reason) == (409, "fileIdInUse")
    assert drive_server.account.content(file_id) == b"first"


@pytest.mark.parametrize(
    ("verb", "path", "query"),
    [
        ("PUT", "drive/v2/files/{}", {}),
        ("PATCH", "drive/v2/files/{}", {}),
        ("DELETE", "drive/v2/files/{}", {}),
        ("PUT", "upload/drive/v2/files/{}", {"uploadType": "media"}),
        ("PUT", "upload/drive/v2/files/{}", {"uploadType": "resumable"}),
    ],
)
def test_if_match_is_compare_and_swap_in_v2(
    drive_server: DriveServer, wire: Wire, verb: str, path: str, query: dict[str, Any]
) -> None:
    """An old etag is 412 and changes nothing, whether we moved it or it moved by itself; the newest one passes."""
    file_id = wire.create("a", b"old")
    path = path.format(file_id)
    first = drive_server.account.get(file_id).etag
    drive_server.account.touch_version(file_id)
    late = wire(verb, path, headers={"If-Match": first}, **query)
    assert (late.status, late.reason) == (412, "conditionNotMet")
    assert drive_server.account.content(file_id) == b"old"
    now = wire("GET", f"drive/v2/files/{file_id}")
    assert now.headers["ETag"] == now.json["etag"] != first
    assert wire(verb, path, headers={"If-Match": now.json["etag"]}, **query).status in {200, 204}


def test_if_match_holds_until_a_resumable_update_ends(drive_server: DriveServer, wire: Wire) -> None:
    """A session that was started in time still loses to a change in between."""
    file_id = wire.create("a", b"old")
    match = {"If-Match": drive_server.account.get(file_id).etag}
    reply = wire("PUT", f"upload/drive/v2/files/{file_id}", headers=match, uploadType="resumable")
    wire("PATCH", f"drive/v2/files/{file_id}", json={"title": "b"})
    assert wire("PUT", reply.headers["Location"], b"new").status == 412
    assert drive_server.account.content(file_id) == b"old"


def test_v3_knows_no_etags(drive_server: DriveServer, wire: Wire) -> None:
    """It neither tells them nor looks at If-Match."""
    file_id = wire.create("a")
    assert "etag" not in wire("GET", f"drive/v3/files/{file_id}", fields="*").json
    renamed = wire("PATCH", f"drive/v3/files/{file_id}", json={"name": "b"}, headers={"If-Match": '"old"'})
    assert renamed.status == 200


def test_trash_keeps_the_bytes_and_delete_does_not(drive_server: DriveServer, wire: Wire) -> None:
    """What is trashed counts, comes back, and is trashed with its folder; what is deleted is gone with all below it."""
    top = folder(wire, "top")
    below = wire.create("a", b"12345", parent=top)
    assert wire("POST", f"drive/v2/files/{top}/trash").json["explicitlyTrashed"] is True
    seen = wire("GET", f"drive/v2/files/{below}").json
    assert (seen["labels"]["trashed"], seen["explicitlyTrashed"]) == (True, False)
    about = wire("GET", "drive/v2/about").json
    assert (about["quotaBytesUsed"], about["quotaBytesUsedInTrash"]) == ("5", "5")
    assert wire("POST", f"drive/v2/files/{top}/untrash").json["labels"]["trashed"] is False
    assert drive_server.account.trash == []
    assert wire("PATCH", f"drive/v3/files/{below}", json={"trashed": True}).status == 200
    assert [item.id for item in drive_server.account.trash] == [below]
    assert wire("DELETE", f"drive/v2/files/{top}").status == 204
    assert wire("GET", f"drive/v2/files/{below}").status == 404
    assert (drive_server.account.used, drive_server.account.files) == (0, {})


@BOTH
def test_nobody_empties_the_trash(drive_server: DriveServer, wire: Wire, version: str) -> None:
    """It is the user's; the attempt is refused and stands in the log."""
    file_id = wire.create("a", b"1")
    wire("POST", f"drive/v2/files/{file_id}/trash")
    assert wire("DELETE", f"drive/{version}/files/trash").status == 403
    assert drive_server.log[-1].method_id == "drive.files.emptyTrash"
    assert [item.id for item in drive_server.account.trash] == [file_id]


@pytest.mark.parametrize(("version", "reason"), [("v2", "quotaExceeded"), ("v3", "storageQuotaExceeded")])
def test_a_full_drive_refuses_bytes(drive_server: DriveServer, wire: Wire, version: str, reason: str) -> None:
    """At the start where the size is told, else at the end; in the words of each version; what is replaced is freed."""
    drive_server.account.quota = 10
    length = {"X-Upload-Content-Length": "11"}
    early = wire("POST", f"upload/drive/{version}/files", json={}, headers=length, uploadType="resumable")
    assert (early.status, early.reason) == (403, reason)
    session = wire.start({}, version=version)
    late = wire("PUT", session, b"12345678901")
    assert (late.status, late.reason) == (403, reason)
    assert wire.ask(session).status == 404
    file_id = wire.create("a", b"1234567890")
    assert wire("PUT", f"upload/drive/v2/files/{file_id}", b"abcdefghij", uploadType="media").status == 200
    assert wire("POST", f"upload/drive/{version}/files", b"1", uploadType="media").reason == reason
    assert drive_server.account.used == 10


def test_a_service_account_has_no_room(drive_server: DriveServer, wire: Wire) -> None:
    """Folders and empty files it may have; bytes need a shared drive, and the message says so."""
    drive_server.account.service_account = True
    folder(wire, "top")
    refused = wire("POST", "upload/drive/v3/files", b"1", uploadType="media")
    assert refused.reason == "storageQuotaExceeded"
    assert "Service Accounts do not have storage quota" in refused.json["error"]["message"]


def test_quota_counts_the_head_and_what_is_kept(drive_server: DriveServer, wire: Wire) -> None:
    """Old revisions cost nothing unless they were to be kept for good."""
    file_id = wire.create("a", b"1234567890")
    assert wire("GET", f"drive/v2/files/{file_id}").json["quotaBytesUsed"] == "10"
    wire("PUT", f"upload/drive/v2/files/{file_id}", b"12345", uploadType="media", pinned="true")
    assert drive_server.account.used == 5
    wire("PUT", f"upload/drive/v2/files/{file_id}", b"123", uploadType="media")
    assert wire("GET", f"drive/v3/files/{file_id}", fields="quotaBytesUsed,size").json == {
        "quotaBytesUsed": "8",
        "size": "3",
    }


@BOTH
def test_properties_have_a_limit(wire: Wire, version: str) -> None:
    """124 bytes of UTF-8 for key and value together; public and private ones are told apart."""
    file_id = wire.create("a")

    def put(key: str, value: str | None) -> int:
        pair: Any = {key: value}
        if version == "v2":
            pair = [{"key": key, "value": value, "visibility": "PUBLIC"}]
        return wire("PATCH", f"drive/{version}/files/{file_id}", json={"properties": pair}).status

    assert put("sha", "ü" * 60 + "x") == 200
    assert put("sha", "ü" * 60 + "xx") == 400
    assert put("other", "1") == 200
    seen = wire("GET", f"drive/v3/files/{file_id}", fields="properties,appProperties").json
    assert seen == {"properties": {"sha": "ü" * 60 + "x", "other": "1"}}


def test_v3_takes_a_property_away_by_null(wire: Wire) -> None:
    """And appProperties are the private ones of v2."""
    file_id = wire.create("a")
    wire("PATCH", f"drive/v3/files/{file_id}", json={"appProperties": {"a": "1", "b": "2"}})
    wire("PATCH", f"drive/v3/files/{file_id}", json={"appProperties": {"a": None}})
    (left,) = wire("GET", f"drive/v2/files/{file_id}").json["properties"]
    assert (left["key"], left["value"], left["visibility"]) == ("b", "2", "PRIVATE")


def test_moving_needs_add_and_remove_in_v3(drive_server: DriveServer, wire: Wire) -> None:
    """`parents` is not writable there, a file has one folder, and a folder cannot lie in itself."""
    one, two = folder(wire, "one"), folder(wire, "two")
    file_id = wire.create("a", parent=one)
    path = f"drive/v3/files/{file_id}"
    refused = wire("PATCH", path, json={"parents": [two]})
    assert refused.reason == "fieldNotWritable"
    assert "Use the addParents and removeParents parameters" in refused.json["error"]["message"]
    assert wire("PATCH", path, json={}, addParents=two).reason == "cannotAddParent"
    assert wire("PATCH", path, json={}, removeParents=one).status == 403
    assert wire("PATCH", path, json={}, addParents=two, removeParents=one).status == 200
    assert [item.id for item in drive_server.account.find("two/a")] == [file_id]
    assert wire("PATCH", f"drive/v2/files/{file_id}", json={"parents": [{"id": one}]}).status == 200
    assert [item.id for item in drive_server.account.find("one/a")] == [file_id]
    assert wire("PATCH", f"drive/v2/files/{one}", json={"parents": [{"id": one}]}).status == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"parents": ["1" + "x" * 32]}, 404),
        ({"parents": ["root", "root"]}, 400),
        ({"parents": []}, 400),
        ({"md5Checksum": "0" * 32}, 403),
        ({"trashed": True}, 403),
        ({"title": "the other version's word"}, 400),
        ({"name": 7}, 400),
        ({"modifiedTime": "yesterday"}, 400),
    ],
)
def test_v3_refuses_odd_metadata(drive_server: DriveServer, wire: Wire, body: dict[str, Any], status: int) -> None:
    """What is unknown, of the wrong kind, not writable or points nowhere; nothing is made."""
    assert wire("POST", "drive/v3/files", json=body).status == status
    assert drive_server.account.files == {}


def test_a_file_is_no_folder(wire: Wire) -> None:
    """Nothing can be put below it, and a folder has no bytes to download or replace."""
    file_id, top = wire.create("a"), folder(wire, "top")
    assert wire("POST", "drive/v3/files", json={"parents": [file_id]}).reason == "parentNotAFolder"
    assert wire("GET", f"drive/v3/files/{top}", alt="media").reason == "fileNotDownloadable"
    assert wire("PUT", f"upload/drive/v2/files/{top}", b"1", uploadType="media").status == 403


def test_the_root_has_an_alias_and_stays(drive_server: DriveServer, wire: Wire) -> None:
    """`root` is the folder that every account has; it is neither deleted nor trashed."""
    assert wire("GET", "drive/v3/files/root").json["id"] == drive_server.account.root.id
    assert wire("DELETE", "drive/v2/files/root").status == 403
    assert wire("POST", "drive/v2/files/root/trash").status == 403


def test_dates_are_the_servers_unless_set(drive_clock: ManualClock, wire: Wire) -> None:
    """v2 takes a modifiedDate in an update only where a parameter says so; every answer tells the server's time."""
    date = "2001-02-03T04:05:06.007Z"
    file_id = wire.create("a")
    drive_clock.advance(60)
    ignored = wire("PATCH", f"drive/v2/files/{file_id}", json={"modifiedDate": date})
    assert ignored.json["modifiedDate"] == "2026-11-20T12:01:00.000Z"
    assert ignored.headers["Date"] == "Fri, 20 Nov 2026 12:01:00 GMT"
    asked: list[dict[str, Any]] = [{"setModifiedDate": "true"}, {"modifiedDateBehavior": "fromBody"}]
    for query in asked:
        wire("PATCH", f"drive/v2/files/{file_id}", json={})
        made = wire("PATCH", f"drive/v2/files/{file_id}", json={"modifiedDate": date}, **query)
        assert made.json["modifiedDate"] == date
    wire("PATCH", f"drive/v3/files/{file_id}", json={"modifiedTime": "2002-01-01T01:00:00+01:00"})
    assert wire("GET", f"drive/v3/files/{file_id}", fields="modifiedTime").json == {
        "modifiedTime": "2002-01-01T00:00:00.000Z"
    }
    drive_clock.advance(60)
    assert wire("POST", f"drive/v2/files/{file_id}/touch").json["modifiedDate"] == "2026-11-20T12:02:00.000Z"


def test_a_copy_is_another_file_with_the_same_bytes(drive_server: DriveServer, wire: Wire) -> None:
    """Deleting either leaves the other whole."""
    first = wire.create("a", b"bytes")
    second = wire("POST", f"drive/v3/files/{first}/copy", json={"name": "b"}).json["id"]
    wire("DELETE", f"drive/v2/files/{first}")
    assert drive_server.account.content(second) == b"bytes"


def test_both_versions_tell_the_same_file(wire: Wire) -> None:
    """Sizes are strings, and all three checksums are there."""
    file_id = wire.create("a.tar.gz", b"bytes")
    v2 = wire("GET", f"drive/v2/files/{file_id}").json
    v3 = wire("GET", f"drive/v3/files/{file_id}", fields="*").json
    assert (v2["fileSize"], v2["fileExtension"]) == (v3["size"], v3["fileExtension"]) == ("5", "gz")
    for same in ("id", "version", "md5Checksum", "sha1Checksum", "sha256Checksum", "headRevisionId", "quotaBytesUsed"):
        assert v2[same] == v3[same]


def test_about_tells_the_quota(drive_server: DriveServer, wire: Wire) -> None:
    """v3 wants to know which fields, and has no limit where there is none."""
    wire.create("a", b"12345")
    assert wire("GET", "drive/v3/about").status == 400
    assert "limit" not in wire("GET", "drive/v3/about", fields="storageQuota").json["storageQuota"]
    assert wire("GET", "drive/v2/about").json["quotaType"] == "UNLIMITED"
    drive_server.account.quota = 100
    assert wire("GET", "drive/v3/about", fields="storageQuota(limit,usage)").json == {
        "storageQuota": {"limit": "100", "usage": "5"}
    }
    assert wire("GET", "drive/v2/about", fields="quotaBytesTotal").json == {"quotaBytesTotal": "100"}


@BOTH
def test_there_are_no_shared_drives(wire: Wire, version: str) -> None:
    """The list is empty, and changes can be asked where they start."""
    reply = wire("GET", f"drive/{version}/drives").json
    assert (reply["kind"], [*reply.values()][-1]) == ("drive#driveList", [])
    assert wire("GET", f"drive/{version}/changes/startPageToken").json["startPageToken"] == "1"
    assert wire("GET", f"drive/{version}/changes", pageToken="1").status == 501


@pytest.mark.parametrize(
    "target",
    [
        "drive/v3/files/{}?colour=red",
        "drive/v3/files/{}?supportsAllDrives=perhaps",
        "drive/v2/files?maxResults=-1",
        "drive/v3/files?pageSize=0",
        "drive/v3/files/generateIds?count=1001",
        "drive/v3/files/{}?alt=xml",
    ],
)
def test_parameters_are_held_against_the_discovery_document(wire: Wire, target: str) -> None:
    """Unknown ones, and values of the wrong kind or size."""
    assert wire("GET", target.format(wire.create("a"))).status == 400


@pytest.mark.parametrize(
    "target", ["", "drive/v1/files", "drive/v3/nothing", "upload/drive/v3/about", "drive/v3/files/no"]
)
def test_what_is_not_there_is_not_found(wire: Wire, target: str) -> None:
    """404, with Google's body."""
    reply = wire("GET", target)
    assert (reply.status, reply.reason, reply.json["error"]["code"]) == (404, "notFound", 404)
