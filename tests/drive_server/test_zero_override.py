"""A real rclone and a stock PyDrive2, which know only www.googleapis.com, work through the proxy that ends TLS."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from drive_server.server import DriveServer
from drive_server.tls_proxy import TlsProxy

CHANCE = random.Random(11)
TOKEN_URI = "https://oauth2.googleapis.com/token"

Rclone = Callable[..., str]


@pytest.fixture
def server() -> Iterator[DriveServer]:
    """With the real time, because rclone's assertions carry it, and names that do not lag, as rclone relies on."""
    with DriveServer() as made:
        made.account.name_index_lag = False
        yield made
    assert made.violations == []


@pytest.fixture
def proxy(server: DriveServer, tmp_path: Path) -> Iterator[TlsProxy]:
    """Trusted by whoever is given its authority."""
    with TlsProxy(server.url, tmp_path) as made:
        yield made


@pytest.fixture
def key(server: DriveServer, tmp_path: Path) -> Path:
    """A service account's key file, as the Cloud console gives it."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps({**server.service_account(), "token_uri": TOKEN_URI}))
    return path


@pytest.fixture
def rclone(proxy: TlsProxy, key: Path, tmp_path: Path) -> Rclone:
    """Runs it with a service account; a failure is shown with all it said."""
    if shutil.which("rclone") is None:
        pytest.skip("needs rclone")
    config = tmp_path / "rclone.conf"
    config.write_text(f"[drive]\ntype = drive\nscope = drive\nservice_account_file = {key}\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **proxy.environment}

    def run(*arguments: str | Path) -> str:
        command = ["rclone", "--config", str(config), "--retries=1", "--low-level-retries=1", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Files above and below what rclone sends in one request, an empty one, an odd name, folders."""
    top = tmp_path / "source"
    for name, size in {"big.bin": 9_000_000, "a.bin": 300_000, "sub/b.txt": 3, "sub/deep/it's \\ odd.txt": 0}.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CHANCE.randbytes(size))
    return top


def tree(top: Path) -> dict[str, bytes]:
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}


def test_rclone_copies_there_and_back(server: DriveServer, rclone: Rclone, source: Path, tmp_path: Path) -> None:
    """Every byte, name and date comes back, and its own check by md5 finds no difference."""
    rclone("copy", source, "drive:top")
    sizes = {line.split(maxsplit=3)[3]: int(line.split()[0]) for line in rclone("lsl", "drive:top").splitlines()}
    assert sizes == {name: len(content) for name, content in tree(source).items()}
    rclone("check", source, "drive:top")
    rclone("copy", "drive:top", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(source)
    assert [line.method for line in server.log if line.method_id == "resumable.put"] == ["POST"] * 2
    (item,) = server.account.find("top/a.bin")
    assert item.modified == pytest.approx((source / "a.bin").stat().st_mtime, abs=0.002)


def test_rclone_syncs_moves_and_removes(server: DriveServer, rclone: Rclone, source: Path) -> None:
    """What sync drops goes to the trash, or away for good if told so; purge and about agree with the account."""
    rclone("copy", source, "drive:top")
    (source / "a.bin").unlink()
    rclone("sync", source, "drive:top")
    assert [item.name for item in server.account.trash] == ["a.bin"]
    (source / "sub/b.txt").write_bytes(b"changed")
    (source / "big.bin").unlink()
    rclone("sync", "--drive-use-trash=false", source, "drive:top")
    assert server.account.find("top/big.bin") == []
    (changed,) = server.account.find("top/sub/b.txt")
    assert server.account.content(changed.id) == b"changed"
    rclone("moveto", "drive:top/sub/b.txt", "drive:top/moved.txt")
    assert [item.id for item in server.account.find("top/moved.txt")] == [changed.id]
    rclone("delete", "--drive-use-trash=false", "drive:top/moved.txt")
    assert changed.id not in server.account.files
    about = json.loads(rclone("about", "--json", "drive:"))
    assert (about["used"], about["trashed"]) == (server.account.used, 300_000)
    rclone("purge", "drive:top")
    assert server.account.find("top")[0].trashed


def test_stock_pydrive2_needs_no_override(server: DriveServer, proxy: TlsProxy, key: Path, tmp_path: Path) -> None:
    """Not even a root URL: its requests to www.googleapis.com arrive here, those for a token and a session included."""
    content = CHANCE.randbytes(1_000_000)
    (tmp_path / "a.bin").write_bytes(content)
    command = [sys.executable, str(Path(__file__).with_name("stock_pydrive.py")), str(key), str(tmp_path / "a.bin")]
    environment = {**os.environ, **proxy.environment}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (item,) = server.account.find("a.bin")
    assert item.blob is not None
    assert json.loads(done.stdout) == {
        "md5": item.blob.md5,
        "link": f"https://www.googleapis.com/drive/v2/files/{item.id}",
        "same": True,
    }
    assert server.account.content(item.id) == content
    ids = [line.method_id for line in server.log]
    assert ids[:3] == ["oauth2.token", "drive.files.insert", "resumable.put"]


def test_the_proxy_leads_nowhere_else(proxy: TlsProxy) -> None:
    """It knows Google's hosts and refuses every other one."""
    with closing(http.client.HTTPSConnection("127.0.0.1", int(proxy.url.rpartition(":")[2]), timeout=10)) as connection:
        connection.set_tunnel("example.com", 443)
        with pytest.raises(OSError, match="403"):
            connection.request("GET", "/")
