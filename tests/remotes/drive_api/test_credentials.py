"""Who is asking: every kind of credentials works, one thread renews them, and none of them is ever shown."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from contract_remote import BIG, read
from drive_server import faults
from drive_server.faults import Fault
from drive_server.fixtures import NOON
from drive_server.server import DriveServer
from remotes.drive_api.clients import CHUNK, FOLDER, calls, client, credentials, md5, session_ids

from colab_resume.errors import RemoteError, RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, Receipt
from colab_resume.remotes.drive_api import DriveAPI

__all__: list[str] = []

SECRET = "a secret of the client"


def oauth2client_ones(server: DriveServer, token: str | None = None) -> Any:
    from oauth2client.client import OAuth2Credentials

    end = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    return OAuth2Credentials(
        token or server.new_token(), "client", SECRET, server.refresh_token, end, server.token_uri, "test"
    )


def google_auth(server: DriveServer, token: str | None = None) -> Any:
    from pydrive2.auth import GoogleAuth

    made = GoogleAuth(settings_file=None)
    made.credentials = oauth2client_ones(server, token)
    return made


def google_drive(server: DriveServer, token: str | None = None) -> Any:
    from pydrive2.drive import GoogleDrive

    return GoogleDrive(google_auth(server, token))


KINDS: dict[str, Callable[..., Any]] = {
    "google-auth": credentials,
    "oauth2client": oauth2client_ones,
    "GoogleAuth": google_auth,
    "GoogleDrive": google_drive,
}


@pytest.fixture
def key_file(drive_server: DriveServer, tmp_path: Path) -> Path:
    """An authorized user's, as gcloud writes it."""
    path = tmp_path / "adc.json"
    told = {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": SECRET,
        "refresh_token": drive_server.refresh_token,
        "token_uri": drive_server.token_uri,
    }
    path.write_text(json.dumps(told))
    return path


@pytest.fixture
def token_uri(drive_server: DriveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authorized user's file does not say where tokens are had; Google's own address is built in."""
    import google.oauth2.credentials

    monkeypatch.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", drive_server.token_uri)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_credentials_works(drive_server: DriveServer, kind: Callable[..., Any]) -> None:
    """Put, list, get and delete."""
    remote = client(drive_server, credentials=kind(drive_server))
    remote.put("a", BytesSource(BIG))
    assert read(remote, "a") == BIG
    remote.delete("a")
    assert list(remote.list("")) == []
    assert calls(drive_server, "oauth2.token") == 0


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_four_threads_whose_token_ends_get_one_new_one(drive_server: DriveServer, kind: Callable[..., Any]) -> None:
    """In the middle of four uploads; each goes on with the same bytes, and none of them fails."""
    remote = client(drive_server, credentials=kind(drive_server))
    remote.put("before", BytesSource(b"x"))
    drive_server.expire_tokens()
    is_old = _UntilRenewed(drive_server)
    drive_server.faults.add(Fault(faults.Match("resumable.put", where=is_old), faults.ExpiredToken(), times=None))
    with ThreadPoolExecutor(4) as threads:
        receipts = list(threads.map(lambda name: remote.put(name, BytesSource(BIG)), "abcd"))
    assert receipts == [Receipt(name, len(BIG), md5(BIG)) for name in "abcd"]
    assert calls(drive_server, "oauth2.token") == 1


class _UntilRenewed:
    """Session addresses need no token, so the server does not look at theirs; this does."""

    def __init__(self, server: DriveServer) -> None:
        self._server = server

    def __call__(self, call: Any) -> bool:
        return call.headers["Authorization"].removeprefix("Bearer ") not in self._server._tokens._ends


def test_a_token_file_of_a_user_works(drive_server: DriveServer, key_file: Path, token_uri: None) -> None:
    """The path of application_default_credentials.json."""
    remote = client(drive_server, credentials=key_file)
    remote.put("a", BytesSource(b"x"))
    assert read(client(drive_server, credentials=str(key_file)), "a") == b"x"


def test_what_the_machine_offers_is_the_default(
    drive_server: DriveServer, key_file: Path, token_uri: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`GOOGLE_APPLICATION_CREDENTIALS`, which Colab's own sign-in sets."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    remote = client(drive_server, credentials=None)
    remote.put("a", BytesSource(b"x"))
    assert read(remote, "a") == b"x"


def test_without_any_credentials_the_hint_is_to_sign_in(
    drive_server: DriveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At construction, not at the first upload."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(UsageError, match="authenticate_user"):
        client(drive_server, credentials=None)


def test_a_service_account_works_until_it_stores(drive_server: DriveServer, tmp_path: Path) -> None:
    """Its key file opens Drive; that it owns no room is said in words of its own."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(drive_server.service_account()))
    drive_server.clock.advance(datetime.now(UTC).timestamp() - NOON)  # type: ignore[attr-defined]
    remote = client(drive_server, credentials=path)
    assert list(remote.list("")) == []
    drive_server.account.service_account = True
    with pytest.raises(RemoteRefused, match="credentials of a person"):
        remote.put("a", BytesSource(b"x"))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"type": "external_account"}', '{"type": "service_account", "private_key": "PRIVATE-KEY"}'],
)
def test_a_file_without_credentials_is_refused_without_its_text(
    drive_server: DriveServer, tmp_path: Path, text: str
) -> None:
    """What can name a program to run is refused, too; nothing of the content gets into the error."""
    path = tmp_path / "key.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="give the JSON file") as caught:
        client(drive_server, credentials=path)
    assert "PRIVATE-KEY" not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_not_there_is_said(drive_server: DriveServer, tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(UsageError, match=r"key\.json cannot be read"):
        client(drive_server, credentials=tmp_path / "key.json")


@pytest.mark.parametrize("given", [42, b"token", {"type": "service_account"}], ids=["number", "bytes", "dictionary"])
def test_what_is_no_credentials_is_refused(drive_server: DriveServer, given: object) -> None:
    """At construction."""
    with pytest.raises(UsageError, match="is no credentials"):
        client(drive_server, credentials=given)


def test_a_google_auth_that_nobody_signed_in_is_refused(drive_server: DriveServer) -> None:
    """Signing in is the user's to do: it opens a browser."""
    from pydrive2.auth import GoogleAuth

    with pytest.raises(UsageError, match="no credentials yet"):
        client(drive_server, credentials=GoogleAuth(settings_file=None))


@pytest.mark.parametrize("kind", [google_auth, google_drive])
def test_a_users_own_pydrive2_is_not_changed(drive_server: DriveServer, kind: Callable[..., Any]) -> None:
    """No service and no connection of ours is left in it."""
    given = kind(drive_server)
    auth = getattr(given, "auth", given)
    before = dict(vars(auth))
    client(drive_server, credentials=given).put("a", BytesSource(b"x"))
    assert vars(auth) == before
    assert (auth.service, auth.http) == (None, None)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_credentials_that_have_ended_are_refused_with_a_hint(
    drive_server: DriveServer, kind: Callable[..., Any]
) -> None:
    """Neither the token nor the refresh token is worth anything."""
    remote = client(drive_server, credentials=kind(drive_server, token="an old one"))
    drive_server._tokens.refresh_token = "another one"
    with pytest.raises(RemoteRefused, match="authenticate_user"):
        remote.list("")


@pytest.mark.parametrize("effect", [faults.CloseBefore(), faults.Refuse()], ids=["closed", "503"])
@pytest.mark.parametrize("kind", [credentials, oauth2client_ones], ids=["google-auth", "oauth2client"])
def test_a_token_endpoint_that_is_down_is_passing(
    drive_server: DriveServer, kind: Callable[..., Any], effect: faults.Effect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credentials may be good; the next try tells."""
    # google-auth tries some answers again by itself, and sleeps in between.
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda seconds: None))
    remote = client(drive_server, credentials=kind(drive_server, token="an old one"))
    drive_server.faults.add(Fault("oauth2.token", effect, times=None))
    with pytest.raises(RemoteUnavailable):
        remote.list("")
    drive_server.faults.clear()
    assert list(remote.list("")) == []


@pytest.mark.parametrize(
    "root_url",
    ["http://www.googleapis.com/", "http://10.0.0.1/", "ftp://localhost/", "www.googleapis.com", "", "https://"],
)
def test_a_root_url_that_shows_the_token_is_refused(drive_server: DriveServer, root_url: str) -> None:
    """Plain http only to this machine itself."""
    with pytest.raises(UsageError, match="root_url"):
        client(drive_server, root_url=root_url)


@pytest.mark.parametrize("location", ["http://elsewhere.example/upload", "", "https://a b/"])
def test_a_session_that_would_travel_in_the_clear_is_refused(
    drive_server: DriveServer, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server names the address, and it is a key to the upload."""
    from drive_server.answers import Answer

    monkeypatch.setattr(
        type(drive_server.api.uploads), "start", lambda self, ask, total: Answer(200, {"Location": location})
    )
    with pytest.raises(RemoteRefused, match="no safe address"):
        client(drive_server).put("a", BytesSource(BIG))


def test_the_token_goes_to_the_root_url_only(drive_server: DriveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session may lie on another host, which gets the bytes and not the token."""
    start = type(drive_server.api.uploads).start
    port = drive_server.url.rstrip("/").rpartition(":")[2]

    def elsewhere(self: Any, ask: Any, total: int | None) -> Any:
        answer = start(self, ask, total)
        answer.headers["Location"] = answer.headers["Location"].replace("127.0.0.1", "localhost")
        return answer

    monkeypatch.setattr(type(drive_server.api.uploads), "start", elsewhere)
    seen: list[str | None] = []

    def look(call: Any) -> bool:
        seen.append(call.headers["Authorization"])
        assert call.headers["Host"] == f"localhost:{port}"
        return False

    drive_server.faults.add(Fault(faults.Match("resumable.put", where=look), faults.CloseBefore()))
    client(drive_server).put("a", BytesSource(BIG))
    assert set(seen) == {None}


def test_no_secret_is_ever_shown(
    drive_server: DriveServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens, the client's secret and session addresses: in no repr, message, traceback or log, nor on the Drive."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    effects = [faults.CloseAmid(1000), faults.Refuse(), faults.Refuse(400), faults.ExpiredToken(), faults.DoneBut()]
    for number, effect in enumerate([*effects, faults.SessionDead(), faults.Short(), faults.CloseAfter()]):
        remote = client(drive_server, sessions=tmp_path / "kept", attempts=1)
        drive_server.faults.add(Fault("resumable.*", effect, skip=1))
        try:
            remote.put(f"big-{number}", BytesSource(BIG))
        except RemoteError as error:
            shown += traceback.format_exception(error)
        parts = [getattr(remote, name) for name in vars(remote)]
        shown += [repr(remote), repr(parts), *(repr(vars(part)) for part in parts if hasattr(part, "__dict__"))]
    assert shown
    account = drive_server.account
    stored = b"".join(account.content(item.id) for item in account.files.values())
    shown += [item.name + repr(item.properties) + item.description for item in account.files.values()]
    printed = capsys.readouterr()
    everything = "\n".join([*shown, caplog.text, printed.out, printed.err])
    secrets = {*drive_server._tokens._ends, drive_server.refresh_token, SECRET, *session_ids(drive_server)}
    assert len(secrets) > 10
    assert [secret for secret in secrets if secret in everything or secret.encode() in stored] == []


def test_importing_brings_in_no_library_of_googles() -> None:
    """They are imported when a `DriveAPI` is made."""
    code = (
        "import sys, colab_resume.remotes.drive_api\n"
        "found = [name for name in ('pydrive2', 'googleapiclient', 'httplib2', 'google.auth', 'oauth2client')"
        " if name in sys.modules]\n"
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)


@pytest.mark.parametrize("missing", ["pydrive2.auth", "googleapiclient.discovery", "google_auth_httplib2"])
def test_a_missing_package_is_said_with_the_command(
    drive_server: DriveServer, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Colab's machines with a TPU come without."""
    given = credentials(drive_server)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r'%pip install "colab-resume\[drive\]"'):
        DriveAPI(FOLDER, credentials=given, root_url=drive_server.url)


@pytest.mark.parametrize("folder", ["", "/", "a//b", "../a", "a\\b"])
def test_a_folder_that_is_none_is_refused(drive_server: DriveServer, folder: str) -> None:
    """My Drive itself is not ours."""
    with pytest.raises(UsageError, match="no folder below My Drive"):
        DriveAPI(folder, credentials=credentials(drive_server), root_url=drive_server.url)


@pytest.mark.parametrize("options", [{"chunk": 1000}, {"chunk": 0}, {"chunk": CHUNK + 1}, {"attempts": 0}])
def test_senseless_options_are_refused(drive_server: DriveServer, options: dict[str, int]) -> None:
    """At construction, with the reason."""
    with pytest.raises(UsageError, match=next(iter(options))):
        client(drive_server, **options)
