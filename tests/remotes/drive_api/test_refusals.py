"""What Drive says, and what becomes of it: what passes, what does not, and what the user can do."""

from __future__ import annotations

import json

import pytest
from drive_server import faults
from drive_server.faults import Fault
from drive_server.server import DriveServer
from remotes.drive_api.clients import client

from colab_resume.errors import NotThere, Overtaken, RemoteError, RemoteFull, RemoteRefused, RemoteUnavailable
from colab_resume.remotes import BytesSource
from colab_resume.remotes.abilities import Space, space_of
from colab_resume.remotes.drive_api.refusals import refusal

__all__: list[str] = []


def body(status: int, reason: str, message: str = "Words of Drive's.") -> bytes:
    error = {"domain": "global", "reason": reason, "message": message}
    return json.dumps({"error": {"code": status, "message": message, "errors": [error]}}).encode()


@pytest.mark.parametrize(
    ("status", "reason", "kind", "hint"),
    [
        (500, "internalError", RemoteUnavailable, "trying again"),
        (502, "", RemoteUnavailable, "trying again"),
        (503, "backendError", RemoteUnavailable, "trying again"),
        (504, "", RemoteUnavailable, "trying again"),
        (408, "", RemoteUnavailable, "trying again"),
        (429, "rateLimitExceeded", RemoteUnavailable, "trying again"),
        (403, "rateLimitExceeded", RemoteUnavailable, "trying again"),
        (403, "sharingRateLimitExceeded", RemoteUnavailable, "trying again"),
        (403, "userRateLimitExceeded", RemoteUnavailable, "750 GB"),
        (401, "authError", RemoteRefused, "authenticate again"),
        (403, "storageQuotaExceeded", RemoteFull, "delete old checkpoints"),
        (403, "quotaExceeded", RemoteFull, "delete old checkpoints"),
        (403, "dailyLimitExceeded", RemoteRefused, "tomorrow"),
        (403, "accessNotConfigured", RemoteRefused, "enable the Google Drive API"),
        (403, "insufficientFilePermissions", RemoteRefused, "scope"),
        (403, "appNotAuthorizedToFile", RemoteRefused, "scope"),
        (403, "domainPolicy", RemoteRefused, "scope"),
        (403, "never heard of", RemoteRefused, "scope"),
        (403, "numChildrenInNonRootLimitExceeded", RemoteRefused, "limit of Drive's"),
        (403, "activeItemCreationLimitExceeded", RemoteRefused, "limit of Drive's"),
        (403, "teamDriveFileLimitExceeded", RemoteRefused, "limit of Drive's"),
        (403, "teamDriveHierarchyTooDeep", RemoteRefused, "further up"),
        (403, "myDriveHierarchyDepthLimitExceeded", RemoteRefused, "further up"),
        (404, "notFound", NotThere, "list the folder"),
        (410, "gone", NotThere, "list the folder"),
        (412, "conditionNotMet", Overtaken, "read it again"),
        (400, "badRequest", RemoteRefused, "does not take"),
    ],
)
def test_each_answer_has_its_meaning(status: int, reason: str, kind: type[RemoteError], hint: str) -> None:
    """The kind of the error says whether it passes, its hint what to do, its text what Drive said."""
    error = refusal(status, {}, body(status, reason), "store a")
    assert isinstance(error, kind)
    assert isinstance(error, RemoteUnavailable) is (kind is RemoteUnavailable)
    assert isinstance(error, RemoteFull) is (kind is RemoteFull)
    assert hint in error.hint
    assert "store a" in error.what
    assert "Words of Drive's." in error.what


@pytest.mark.parametrize(
    "page", [b"", b"<html>Bad Gateway</html>", b"[]", b'{"error": "x"}', b'{"error": {"errors": [1]}}', b"\xff\xfe"]
)
def test_a_gateways_own_page_is_understood_by_its_status(page: bytes) -> None:
    """Whatever stands between here and Google may answer anything."""
    assert isinstance(refusal(502, {}, page, "list a"), RemoteUnavailable)
    assert isinstance(refusal(403, {}, page, "list a"), RemoteRefused)


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("", 0.0), ("Fri, 20 Nov 2026 12:00:00 GMT", 0.0)])
def test_the_time_that_drive_asks_for_is_read(told: str, seconds: float) -> None:
    """In seconds; a date is not what Drive sends."""
    error = refusal(503, {"retry-after": told} if told else {}, b"", "list a")
    assert isinstance(error, RemoteUnavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize("effect", [faults.Refuse(), faults.CloseBefore(), faults.Short()], ids=["503", "lost", "cut"])
@pytest.mark.parametrize("verb", ["list", "delete", "space"])
def test_what_passes_is_left_to_the_wrapper(drive_server: DriveServer, effect: faults.Effect, verb: str) -> None:
    """One failure, one `RemoteUnavailable`, no wait; and the next call is answered."""
    waits: list[float] = []
    remote = client(drive_server, wait=waits.append)
    remote.put("a", BytesSource(b"x"))
    drive_server.faults.add(Fault("drive.about.get" if verb == "space" else "drive.files.list", effect, times=3))
    ask = {"list": lambda: remote.list(""), "delete": lambda: remote.delete("a"), "space": remote.space}[verb]
    with pytest.raises(RemoteUnavailable):
        ask()
    drive_server.faults.clear()
    ask()
    assert waits == []


def test_a_page_instead_of_an_answer_is_passing(drive_server: DriveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portal on the way may say 200 and mean itself."""
    from drive_server.answers import Answer

    page = Answer(200, {"Content-Type": "text/html"}, [b"<html>"], 6)
    remote = client(drive_server)
    with monkeypatch.context() as patched:
        patched.setattr(drive_server.api, "act", lambda call, body: page)
        with pytest.raises(RemoteUnavailable, match="not Drive's"):
            remote.list("")
    assert list(remote.list("")) == []


@pytest.mark.parametrize(
    ("quota", "space"), [(1000, Space(1000, 700)), (100, Space(100, 0)), (None, Space(None, None))]
)
def test_the_room_on_drive(drive_server: DriveServer, quota: int | None, space: Space) -> None:
    """Total and free; an account may also have more than it should, or no limit."""
    remote = client(drive_server)
    remote.put("a", BytesSource(b"x" * 300))
    drive_server.account.quota = quota
    assert space_of(remote) == space


def test_nothing_listens(drive_server: DriveServer) -> None:
    """No network at all: passing."""
    remote = client(drive_server, root_url="http://127.0.0.1:9/")
    with pytest.raises(RemoteUnavailable, match="Connection refused"):
        remote.list("")
