"""The server as such: its answers keep to Google's description, its log is true, its link has a speed, it ends."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from drive_server import v2
from drive_server.link import CREDIT
from drive_server.schema import complaints
from drive_server.server import DriveServer
from drive_server.wire import Wire

TESTS = Path(__file__).parents[1]


@pytest.fixture
def spoilt() -> Iterator[DriveServer]:
    """A server that is allowed to be wrong."""
    with DriveServer() as server:
        yield server


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("fileSize", 5, "5 is not of type 'string'"),
        ("fileSize", "five", "does not match"),
        ("colour", "red", "'colour' was unexpected"),
        ("modifiedDate", "20 November", "does not match"),
        ("labels", {"trashed": "no"}, "'no' is not of type 'boolean'"),
    ],
)
def test_a_wrong_answer_is_noticed(
    spoilt: DriveServer, monkeypatch: pytest.MonkeyPatch, field: str, value: Any, complaint: str
) -> None:
    """Wrong kinds, unknown fields and odd dates are recorded, even where the client did not ask for them."""
    right = v2.file
    monkeypatch.setattr(v2, "file", lambda *args: {**right(*args), field: value})
    Wire(spoilt)("POST", "drive/v2/files", json={}, fields="id")
    assert any(complaint in violation for violation in spoilt.violations)


def test_a_right_answer_is_not_complained_about() -> None:
    """The converted schemas know numbers in strings, dates, lists and references."""
    file = {"id": "1", "fileSize": "12", "createdDate": "2026-11-20T12:00:00.000Z", "parents": [{"isRoot": True}]}
    assert complaints("v2", "FileList", {"items": [file]}) == []


def test_a_defect_is_noticed_too(spoilt: DriveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the server is no answer, and not forgotten."""
    monkeypatch.setattr(spoilt.account, "get", lambda file_id: 1 / 0)
    with pytest.raises(http.client.RemoteDisconnected):
        Wire(spoilt)("GET", "drive/v2/files/any")
    deadline = time.monotonic() + 10
    while not spoilt.violations:
        assert time.monotonic() < deadline
    assert "ZeroDivisionError" in spoilt.violations[0]


def test_the_log_counts_bytes_before_the_answer_is_read(drive_server: DriveServer, wire: Wire) -> None:
    """Who has an answer finds its request in the log."""
    for _ in range(50):
        reply = wire("POST", "drive/v2/files", json={"title": "a"})
        line = drive_server.log[-1]
        assert (line.method, line.path, line.method_id, line.status) == (
            "POST",
            "/drive/v2/files",
            "drive.files.insert",
            200,
        )
        assert (line.received, line.sent) == (len(b'{"title": "a"}'), len(reply.body))
    assert len(drive_server.log) == 50


def test_one_connection_serves_many_requests(drive_server: DriveServer) -> None:
    """Errors, bodies and empty answers in between do not end it."""
    token = {"Authorization": f"Bearer {drive_server.new_token()}"}
    with closing(http.client.HTTPConnection(drive_server.url.split("/")[2], timeout=10)) as connection:
        connection.connect()
        port = connection.sock.getsockname()
        for number in range(20):
            connection.request("PUT", "/drive/v2/files/nothing", b"x" * 100_000, token if number % 2 else {})
            with closing(connection.getresponse()) as response:
                response.read()
                assert response.status == (400 if number % 2 else 401)
            assert connection.sock.getsockname() == port


def test_many_threads_at_once(drive_server: DriveServer) -> None:
    """Eight threads create, list and delete; what is left is what should be."""

    def work(number: int) -> None:
        wire = Wire(drive_server)
        for turn in range(10):
            file_id = wire.create(f"{number}-{turn}", b"x" * 1000)
            assert wire("GET", "drive/v2/files", q="'root' in parents").status == 200
            if turn % 2:
                assert wire("DELETE", f"drive/v2/files/{file_id}").status == 204

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = {item.name for item in drive_server.account.files.values()}
    assert names == {f"{number}-{turn}" for number in range(8) for turn in range(0, 10, 2)}
    assert drive_server.account.used == 8 * 5 * 1000


def test_the_link_is_shared_by_all(tmp_path: Path) -> None:
    """Two uploads at once take as long as one of both sizes; the way back has a lane of its own."""
    with DriveServer(latency=0.01, rate=5e6, folder=tmp_path) as server:
        wire = Wire(server)
        ids = [wire.create("a"), wire.create("b")]

        def upload(file_id: str) -> None:
            wire("PUT", f"upload/drive/v2/files/{file_id}", b"x" * 500_000, uploadType="media")

        threads = [threading.Thread(target=upload, args=(file_id,)) for file_id in ids]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        middle = time.monotonic()
        assert wire("GET", f"drive/v2/files/{ids[0]}", alt="media").body == b"x" * 500_000
        end = time.monotonic()
    assert middle - begin >= 0.2 - CREDIT
    assert end - middle >= 0.1 - CREDIT + 0.01


def test_contents_leave_with_the_server(tmp_path: Path) -> None:
    """Nothing of a deleted, replaced or abandoned upload stays, and in the end nothing at all."""
    with DriveServer(folder=tmp_path) as server:
        wire = Wire(server)
        (folder,) = tmp_path.iterdir()
        file_id = wire.create("a", b"one")
        wire("PUT", f"upload/drive/v2/files/{file_id}", b"two", uploadType="media")
        assert [path.read_bytes() for path in folder.iterdir()] == [b"two"]
        wire(
            "POST",
            "upload/drive/v2/files",
            b"{}",
            uploadType="multipart",
            headers={"Content-Type": "multipart/related"},
        )
        wire("DELETE", f"drive/v2/files/{file_id}")
        wire("PUT", f"upload/drive/v2/files/{file_id}", b"too late", uploadType="media")
        wire("DELETE", wire.start({}))
        assert list(folder.iterdir()) == []
        wire.start({})
    assert list(tmp_path.iterdir()) == []


def test_it_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    """It says where it is, and ends when who started it has gone."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "drive_server", "--rate", "40e6", "--data", str(tmp_path)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url, token_uri, token, _ = (process.stdout.readline().strip() for _ in range(4))
        with requests.Session() as session:
            reply = session.get(f"{url}drive/v3/files", headers={"Authorization": f"Bearer {token}"})
            assert (reply.status_code, session.post(token_uri).status_code) == (200, 400)
        process.stdin.close()
        assert process.wait(10) == 0
    assert list(tmp_path.iterdir()) == []
