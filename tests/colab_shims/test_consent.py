"""The consent page without Colab: a browser that allows it, a server that believes it, a file with the result."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from colab_resume.colab.stand_in.consent import consented
from colab_resume.errors import RemoteUnavailable

# A browser whose user allows it at once: it follows the page to where its answer is waited for.
BROWSER = """
import sys, urllib.parse, urllib.request
asked = urllib.parse.parse_qs(urllib.parse.urlsplit(sys.argv[1]).query)
assert asked["scope"] == ["https://www.googleapis.com/auth/drive"], asked
assert asked["access_type"] == ["offline"] and asked["prompt"] == ["consent"], asked
answer = urllib.parse.urlencode({"code": sys.argv[2], "state": asked["state"][0]})
urllib.request.urlopen(asked["redirect_uri"][0] + "?" + answer, timeout=30).read()
"""


class Window:
    """A browser's, in a process of its own."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._opened: list[subprocess.Popen[bytes]] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self._opened.append(subprocess.Popen([sys.executable, "-c", BROWSER, url, self._code]))
        return True

    def close(self) -> None:
        assert [process.wait(30) for process in self._opened] == [0]


class Accounts(BaseHTTPRequestHandler):
    """Gives tokens for the code that the browser brought."""

    def do_POST(self) -> None:
        given = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        body = json.dumps(
            {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "Bearer"}
            if given["code"] == ["allowed"]
            else {"error": "invalid_grant"}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An OAuth client's file whose account server is on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Accounts)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "*")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    path = tmp_path / "client_secret.json"
    told = {"client_id": "c", "client_secret": "s", "auth_uri": f"{address}/auth", "token_uri": f"{address}/token"}
    path.write_text(json.dumps({"installed": told}))
    yield path
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """From now on pages are opened by a browser whose user gives this answer."""
    windows: list[Window] = []

    def begin(code: str) -> None:
        windows.append(Window(code))
        monkeypatch.setenv("BROWSER", "a window")
        monkeypatch.setattr("webbrowser.get", lambda _=None: windows[0])

    yield begin
    for window in windows:
        window.close()


def test_who_allows_it_gets_a_file_that_only_they_can_read(
    client: Path, tmp_path: Path, browse: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the kind that `drive:` remotes read; the page's address is also said, for another browser."""
    browse("allowed")
    onto = tmp_path / "kept" / "authorized_user.json"
    assert consented(client, onto=onto, seconds=60) == onto
    assert json.loads(onto.read_text()) == {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "r",
    }
    assert stat.S_IMODE(onto.stat().st_mode) == 0o600
    assert (
        f"{urlsplit(json.loads(client.read_text())['installed']['auth_uri']).netloc}/auth?" in capsys.readouterr().out
    )


def test_nobody_is_waited_for_for_ever(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is kept."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    onto = tmp_path / "authorized_user.json"
    with pytest.raises(RemoteUnavailable, match="nobody allowed it"):
        consented(client, onto=onto, seconds=0.3)
    assert not onto.exists()


def test_a_refusal_is_told_without_its_secrets(client: Path, tmp_path: Path, browse: Callable[[str], None]) -> None:
    """Only its kind: texts of errors can hold codes and tokens."""
    browse("stolen")
    with pytest.raises(RemoteUnavailable, match="gave no credentials") as raised:
        consented(client, onto=tmp_path / "authorized_user.json", seconds=60)
    assert "stolen" not in str(raised.value)
