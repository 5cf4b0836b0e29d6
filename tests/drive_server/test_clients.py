"""Clients that know nothing of this server accept it: PyDrive2 on v2, googleapiclient on v3, as published."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from drive_server.faults import CloseAmid, DoneBut, ExpiredToken, Fault, Refuse
from drive_server.google_clients import google_service, pydrive
from drive_server.items import FOLDER
from drive_server.server import DriveServer
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaIoBaseDownload, MediaIoBaseUpload
from pydrive2.drive import GoogleDrive
from pydrive2.files import ApiRequestError

DATA = random.Random(10).randbytes(5_000_000)
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
MIB = 1 << 20


@pytest.fixture
def drive(drive_server: DriveServer) -> Iterator[GoogleDrive]:
    """PyDrive2 on the test's server."""
    with pydrive(drive_server) as made:
        yield made


@pytest.fixture
def v3(drive_server: DriveServer) -> Iterator[Any]:
    """googleapiclient on the test's server."""
    with google_service(drive_server, "v3") as made:
        yield made


def resumable(data: bytes, chunk: int) -> MediaIoBaseUpload:
    return MediaIoBaseUpload(BytesIO(data), "application/octet-stream", chunksize=chunk, resumable=True)


def downloaded(request: Any, chunk: int = MIB) -> bytes:
    sink = BytesIO()
    download, done = MediaIoBaseDownload(sink, request, chunksize=chunk), False
    while not done:
        _, done = download.next_chunk()
    return sink.getvalue()


def test_pydrive2_uploads_lists_downloads_and_deletes(
    drive_server: DriveServer, drive: GoogleDrive, tmp_path: Path
) -> None:
    """Five megabytes in a folder, there and back, with the right md5; trashed, taken out, deleted."""
    top = drive.CreateFile({"title": "top", "mimeType": FOLDER})
    top.Upload()
    file = drive.CreateFile({"title": "a.bin", "parents": [{"id": top["id"]}]})
    file.content = BytesIO(DATA)
    file.Upload()
    assert (file["md5Checksum"], file["fileSize"]) == (MD5, "5000000")
    listed = drive.ListFile({"q": f"'{top['id']}' in parents and trashed = false"}).GetList()
    assert [each["title"] for each in listed] == ["a.bin"]
    listed[0].GetContentFile(str(tmp_path / "a.bin"))
    assert (tmp_path / "a.bin").read_bytes() == DATA
    file["title"] = "b.bin"
    file.Upload()
    assert [item.name for item in drive_server.account.children(top["id"])] == ["b.bin"]
    file.Trash()
    assert [item.id for item in drive_server.account.trash] == [file["id"]]
    file.UnTrash()
    file.FetchMetadata(fetch_all=True)
    assert file["labels"]["trashed"] is False
    file.Delete()
    assert [item.name for item in drive_server.account.files.values()] == ["top"]


def test_pydrive2_reads_our_errors(drive_server: DriveServer, drive: GoogleDrive) -> None:
    """Its error class finds Google's reason in the body."""
    drive_server.account.quota = 1000
    file = drive.CreateFile({"title": "a.bin"})
    file.content = BytesIO(DATA)
    with pytest.raises(ApiRequestError) as refused:
        file.Upload()
    assert refused.value.GetField("reason") == "quotaExceeded"
    assert drive_server.account.files == {}


def test_pydrive2_pages_through_a_long_list(drive_server: DriveServer, drive: GoogleDrive) -> None:
    """It follows the tokens to the end."""
    drive_server.account.page_limit = 7
    for number in range(20):
        drive_server.account.create(name=str(number))
    found = drive.ListFile({"q": "'root' in parents"}).GetList()
    assert sorted(int(each["title"]) for each in found) == list(range(20))
    assert [line.method_id for line in drive_server.log].count("drive.files.list") == 3


def test_pydrive2_writes_with_if_match(drive_server: DriveServer, drive: GoogleDrive) -> None:
    """Through its service: the first writer passes, the second is told 412."""
    file = drive.CreateFile({"title": "lease"})
    file.SetContentString("free")
    file.Upload()
    answers = []
    for holder in ("one", "two"):
        request = drive.auth.service.files().patch(fileId=file["id"], body={"description": holder})
        request.headers["If-Match"] = file["etag"]
        try:
            answers.append(request.execute()["description"])
        except HttpError as error:
            answers.append(error.resp.status)
    assert answers == ["one", 412]


@pytest.mark.parametrize("chunk", [MIB, 100 * MIB])
def test_googleapiclient_uploads_under_an_id_of_its_own(drive_server: DriveServer, v3: Any, chunk: int) -> None:
    """generateIds, a resumable upload in chunks, a list, an update, a download in chunks, a deletion."""
    files = v3.files()
    (file_id,) = files.generateIds(count=1).execute()["ids"]
    made = files.create(
        body={"id": file_id, "name": "a"}, media_body=resumable(DATA, chunk), fields="id,size,md5Checksum"
    ).execute()
    assert made == {"id": file_id, "size": "5000000", "md5Checksum": MD5}
    with pytest.raises(HttpError, match="A file already exists with the provided ID"):
        files.create(body={"id": file_id, "name": "a"}, media_body=resumable(DATA, chunk)).execute()
    assert files.list(fields="files(name,parents)").execute() == {
        "files": [{"name": "a", "parents": [drive_server.account.root.id]}]
    }
    assert downloaded(files.get_media(fileId=file_id)) == DATA
    assert files.update(fileId=file_id, body={"name": "b"}, media_body=resumable(b"new", MIB)).execute()["name"] == "b"
    assert downloaded(files.get_media(fileId=file_id)) == b"new"
    files.delete(fileId=file_id).execute()
    assert drive_server.account.files == {}


def test_googleapiclient_sends_small_files_in_one_request(drive_server: DriveServer, v3: Any) -> None:
    """Its multipart bodies end lines with LF alone; the bytes survive, also those that look like lines."""
    for content in (b"", b"\r\n", b"text\n", b"--", DATA[:1000]):
        made = v3.files().create(body={"name": "a"}, media_body=MediaIoBaseUpload(BytesIO(content), "a/b")).execute()
        assert drive_server.account.content(made["id"]) == content
        assert downloaded(v3.files().get_media(fileId=made["id"])) == content


def test_googleapiclient_asks_long_questions_by_post(v3: Any) -> None:
    """More than 2048 characters do not fit its GET."""
    q = " or ".join(f"name = '{number}'" for number in range(300))
    assert v3.files().list(q=q).execute()["files"] == []


@pytest.mark.parametrize("effect", [Refuse(), CloseAmid(700_000), DoneBut(500), ExpiredToken()])
def test_googleapiclient_finds_its_way_after_a_fault(drive_server: DriveServer, v3: Any, effect: Any) -> None:
    """It asks the session how far it is and goes on; the file arrives once and whole."""
    drive_server.faults.add(Fault(match="resumable.put", skip=1, effect=effect))
    # Bytes, not a stream: httplib2 can only send again what it can read again.
    media = resumable(DATA, MIB)
    media.has_stream = lambda: False
    request = v3.files().create(body={"name": "a"}, media_body=media, fields="md5Checksum")
    answer = None
    while answer is None:
        try:
            _, answer = request.next_chunk()
        except (HttpError, ConnectionError):
            continue
    assert answer == {"md5Checksum": MD5}
    assert len(drive_server.account.find("a")) == 1
