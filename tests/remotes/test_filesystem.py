"""Every kind of fsspec file system keeps the contract; S3 and Google Cloud Storage with real servers and clients."""

from __future__ import annotations

import base64
import contextlib
import errno
import itertools
import multiprocessing
import re
import subprocess
import sys
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

import pytest
from contract_remote import BIG, Misjudged, RemoteContract, md5, read, sizes
from remotes.servers import SERVERS, Server, gcs_server, s3_server

from colab_resume.errors import RemoteFull, RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, FileSource, Remote
from colab_resume.remotes.filesystem import FilesystemRemote, open_filesystem
from colab_resume.remotes.filesystem_errors import attempt
from colab_resume.remotes.folder import FolderRemote

__all__: list[str] = []

# gcsfs hands small objects to aiohttp as bytes, which warns from 1 MiB on that sending them may block its event loop.
# It is fsspec's own loop, and nobody else is waiting in it.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly with raw bytes:ResourceWarning")

MIB = 1 << 20
NUMBERS = itertools.count()
LARGE = BIG * 5
"""More than one request carries, so it is sent in parts."""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with gcs_server(tmp_path_factory.mktemp("gcs")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A folder that no other test uses; servers and memory live as long as the module."""
    return f"run-{next(NUMBERS)}"


class TestMemory(RemoteContract):
    @pytest.fixture
    def remote(self, prefix: str) -> Remote:
        return open_filesystem(f"memory://{prefix}")

    @pytest.fixture
    def other(self, prefix: str) -> Remote:
        return open_filesystem(f"memory://{prefix}/")


class TestFileUrl(RemoteContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Remote:
        return open_filesystem(f"file://{tmp_path}/run")

    @pytest.fixture
    def other(self, tmp_path: Path) -> Remote:
        return open_filesystem(f"file://{tmp_path}/run")


class TestMoved(RemoteContract):
    """Any other file system: written beside its place, and moved; fsspec's local one stands for a server by SFTP."""

    @pytest.fixture
    def remote(self, tmp_path: Path) -> Remote:
        return moved(tmp_path)

    @pytest.fixture
    def other(self, tmp_path: Path) -> Remote:
        return moved(tmp_path)


def moved(folder: Path) -> FilesystemRemote:
    from fsspec.implementations.local import LocalFileSystem

    return FilesystemRemote(LocalFileSystem(), str(folder / "run"), protocol="sftp")


class TestS3(RemoteContract):
    @pytest.fixture
    def remote(self, s3: Server, prefix: str) -> Remote:
        return s3.open(f"bucket/{prefix}")

    @pytest.fixture
    def other(self, s3: Server, prefix: str) -> Remote:
        return s3.open(f"bucket/{prefix}", skip_instance_cache=True)


class TestGoogleCloudStorage(RemoteContract):
    @pytest.fixture
    def remote(self, gcs: Server, prefix: str) -> Remote:
        return gcs.open(f"bucket/{prefix}")

    @pytest.fixture
    def other(self, gcs: Server, prefix: str) -> Remote:
        return gcs.open(f"bucket/{prefix}", skip_instance_cache=True)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """gcsfs asks six times, with half a minute of waits in all that nothing can be set to shorten."""
    import gcsfs.retry

    async def at_once(_seconds: float) -> None:
        return None

    monkeypatch.setattr(gcsfs.retry, "asyncio", SimpleNamespace(sleep=at_once))


@pytest.fixture(params=["memory", "moved", "s3", "gcs"])
def anywhere(request: pytest.FixtureRequest, prefix: str, tmp_path: Path) -> Remote:
    """Every way of storing."""
    if request.param == "memory":
        return open_filesystem(f"memory://{prefix}")
    if request.param == "moved":
        return moved(tmp_path)
    server: Server = request.getfixturevalue(request.param)
    return server.open(f"bucket/{prefix}")


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=SERVERS)
def mortal(request: pytest.FixtureRequest, tmp_path: Path, quick_retries: None) -> Iterator[Server]:
    """A server that a test may kill."""
    with SERVERS[request.param](tmp_path) as server:
        yield server


@dataclass(frozen=True)
class Watched:
    """A source that calls `event` with the number of each block before it gives it."""

    data: bytes
    event: Callable[[int], object]

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self, offset: int = 0) -> BinaryIO:
        stream = BytesIO(self.data[offset:])
        numbers = itertools.count()

        class Stream(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                watched.event(next(numbers))
                return stream.read(size)

        watched = self
        return Stream()


class Sink:
    """Keeps only the count of what it is given, and calls `event` with it."""

    def __init__(self, event: Callable[[int], object] = lambda count: None) -> None:
        self.count = 0
        self._event = event

    def write(self, data: bytes) -> int:
        self.count += len(data)
        self._event(self.count)
        return len(data)


def test_while_a_put_runs_the_old_content_is_there(anywhere: Remote) -> None:
    """A large put is invisible until it is complete, and then it is there whole."""
    anywhere.put("a", BytesSource(b"old"))
    seen: list[tuple[dict[str, int], bytes]] = []
    anywhere.put("a", Watched(LARGE, lambda number: seen.append((sizes(anywhere, ""), read(anywhere, "a")))))
    assert len(seen) > 15
    assert all(found == ({"a": 3}, b"old") for found in seen[:16])
    assert read(anywhere, "a") == LARGE


@pytest.mark.parametrize("difference", [-1, 1], ids=["shorter", "longer"])
def test_an_aborted_put_leaves_nothing_visible(anywhere: Remote, quick_retries: None, difference: int) -> None:
    """A large source of another size than it says: the name stays absent, and so does any other."""
    with pytest.raises(RemoteUnavailable, match="source"):
        anywhere.put("a", Misjudged(LARGE, len(LARGE) - difference))
    assert list(anywhere.list("")) == []
    with pytest.raises(RemoteRefused):
        read(anywhere, "a")


def test_an_aborted_put_leaves_no_parts_on_s3(s3: Server, prefix: str) -> None:
    """Parts of uploads that are never completed would be paid for, and are never seen."""
    remote, client = s3.open(f"bucket/{prefix}"), s3.client()

    def look_and_fail(number: int) -> None:
        if number == 12:
            (upload,) = client.call_s3("list_multipart_uploads", Bucket="bucket")["Uploads"]
            assert upload["Key"] == f"{prefix}/a"
            raise OSError("the disk of the source broke")

    with pytest.raises(RemoteUnavailable, match="the disk of the source broke"):
        remote.put("a", Watched(LARGE, look_and_fail))
    assert not client.call_s3("list_multipart_uploads", Bucket="bucket").get("Uploads")


def test_an_aborted_put_leaves_no_part_in_the_folder(tmp_path: Path) -> None:
    """What was written beside its place is removed."""
    with pytest.raises(RemoteUnavailable):
        moved(tmp_path).put("a", Misjudged(LARGE, 1))
    assert list((tmp_path / "run").iterdir()) == []


def test_many_parts_come_back_in_order(server: Server, prefix: str) -> None:
    """A source of several requests, and not of whole ones, comes back as it was, from anywhere."""
    remote = server.open(f"bucket/{prefix}")
    data = LARGE + b"end"
    remote.put("a", BytesSource(data))
    for offset in (0, 1, 5 * MIB, 5 * MIB + 1, len(LARGE)):
        assert read(remote, "a", offset) == data[offset:]


def test_a_get_asks_only_for_what_it_needs(server: Server, prefix: str) -> None:
    """From an offset on, the bytes in front of it are not transferred."""
    remote = server.open(f"bucket/{prefix}")
    remote.put("a", BytesSource(LARGE))
    sink = Sink()
    assert peak(lambda: remote.get("a", cast(BinaryIO, sink), len(LARGE) - 10)) < MIB
    assert sink.count == 10


@pytest.mark.parametrize("size", [0, 1, MIB, 15 * MIB])
def test_google_tells_every_md5(gcs: Server, prefix: str, size: int) -> None:
    """Receipt and listing carry it, however the object was sent."""
    remote, data = gcs.open(f"bucket/{prefix}"), LARGE[:size]
    assert remote.put("a", BytesSource(data)).md5 == md5(data)
    assert [entry.md5 for entry in remote.list("")] == [md5(data)]


@pytest.mark.parametrize(("size", "told"), [(0, True), (MIB, True), (15 * MIB, False)])
def test_s3_tells_an_md5_of_what_was_sent_in_one_piece(s3: Server, prefix: str, size: int, told: bool) -> None:
    """The ETag of several parts is no md5, and a listing does not say which of them are."""
    remote, data = s3.open(f"bucket/{prefix}"), LARGE[:size]
    assert remote.put("a", BytesSource(data)).md5 == (md5(data) if told else None)
    assert [entry.md5 for entry in remote.list("")] == [None]


def storing(change: Callable[[bytes], bytes], tell: Callable[[bytes], dict[str, str]]) -> FilesystemRemote:
    """A remote that stores something else than it is given, and then tells of it."""
    from fsspec.implementations.memory import MemoryFileSystem

    class Storing(MemoryFileSystem):  # type: ignore[misc]
        cachable = False

        def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
            super().pipe_file(path, change(value), **options)

        def info(self, path: str, **options: Any) -> dict[str, Any]:
            return {**super().info(path, **options), **tell(self.store[path].getvalue())}

    return FilesystemRemote(Storing(global_store=False), "/run", protocol="gs")


def google(stored: bytes) -> dict[str, str]:
    return {"md5Hash": base64.b64encode(bytes.fromhex(md5(stored))).decode()}


def test_a_size_that_changed_on_the_way_is_noticed() -> None:
    """What is stored is asked for, not assumed."""
    with pytest.raises(RemoteUnavailable, match="2 bytes are stored of 3"):
        storing(lambda sent: sent[:-1], lambda stored: {}).put("a", BytesSource(b"abc"))


def test_an_object_that_vanished_is_noticed() -> None:
    """Nothing at all is stored, not even where nothing was to be stored."""
    remote = storing(lambda sent: sent, lambda stored: {"type": "nothing"})
    for data in (b"", b"abc"):
        with pytest.raises(RemoteUnavailable, match="0 bytes are stored"):
            remote.put("a", BytesSource(data))


def test_bytes_that_changed_on_the_way_are_noticed() -> None:
    """The md5 that a store tells is compared with that of the source."""
    with pytest.raises(RemoteUnavailable, match="other bytes"):
        storing(lambda sent: b"abd", google).put("a", BytesSource(b"abc"))
    assert storing(lambda sent: sent, google).put("a", BytesSource(b"abc")).md5 == md5(b"abc")


def test_an_etag_that_is_no_md5_is_not_told_as_one() -> None:
    """With encryption by a key of the owner's, S3 gives ETags that only look like an md5."""
    receipt = storing(lambda sent: sent, lambda stored: {"ETag": f'"{md5(b"key" + stored)}"'})
    assert receipt.put("a", BytesSource(b"abc")).md5 is None


def test_an_object_replaced_while_it_is_read_is_noticed(anywhere: Remote) -> None:
    """Half of the old and half of the new content is no content, so nobody may go on with it."""
    anywhere.put("a", BytesSource(LARGE))
    other = bytes(len(LARGE))
    sink = Sink(lambda count: count == 5 * MIB and anywhere.put("a", BytesSource(other)))
    with pytest.raises(RemoteRefused, match="replaced while it was read"):
        anywhere.get("a", cast(BinaryIO, sink))
    assert read(anywhere, "a") == other


def test_what_a_sink_cannot_take_is_not_the_remotes_failure(anywhere: Remote) -> None:
    """A full local disk is told as itself."""
    anywhere.put("a", BytesSource(b"abc"))

    def full(count: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        anywhere.get("a", cast(BinaryIO, Sink(full)))


def test_memory_stays_bounded(server: Server, prefix: str, tmp_path: Path) -> None:
    """Putting and getting 64 MiB takes less than 24 MiB at any time."""
    path = tmp_path / "large"
    path.write_bytes(LARGE[: 8 * MIB] * 8)
    remote = server.open(f"bucket/{prefix}")
    sink = Sink()
    assert peak(lambda: remote.put("a", FileSource(path))) < 24 * MIB
    assert peak(lambda: remote.get("a", cast(BinaryIO, sink))) < 24 * MIB
    assert sink.count == 64 * MIB


def peak(work: Callable[[], object]) -> int:
    """The most bytes that `work` held at a time, in any thread."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_bucket_that_is_not_there_is_refused(server: Server) -> None:
    """It is a mistake in the URL: neither an empty remote, nor one to be made, nor worth another try."""
    remote = server.open("no-such-bucket/run")
    for verb in (
        lambda: remote.list(""),
        lambda: remote.list("packs"),
        lambda: remote.put("a", BytesSource(b"x")),
        lambda: remote.put("a", BytesSource(LARGE)),
        lambda: read(remote, "a"),
    ):
        with pytest.raises(RemoteRefused, match="no-such-bucket"):
            verb()
    assert not server.client().exists("no-such-bucket")


def test_an_empty_bucket_is_an_empty_remote(server: Server) -> None:
    """A bucket that nobody has used yet lists as empty, at its top and below."""
    server.client().mkdir("empty-bucket")
    for path in ("empty-bucket", "empty-bucket/run"):
        assert list(server.open(path).list("")) == []
        assert list(server.open(path).list("packs")) == []


def test_the_marker_of_a_folder_is_no_object(server: Server, prefix: str) -> None:
    """Web consoles make a folder by storing an empty object whose name ends in a slash."""
    server.client().pipe_file(f"bucket/{prefix}/packs/", b"")
    remote = server.open(f"bucket/{prefix}")
    assert (list(remote.list("")), list(remote.list("packs"))) == ([], [])
    remote.put("packs/a", BytesSource(b"x"))
    assert sizes(remote, "packs") == {"packs/a": 1}


@contextlib.contextmanager
def asking_for_credentials(server: Server) -> Iterator[None]:
    def ask_after(requests: str) -> None:
        url = f"{server.endpoint}/moto-api/reset-auth"
        headers = {"Content-Type": "text/plain"}
        with urllib.request.urlopen(urllib.request.Request(url, requests.encode(), headers)):
            pass

    ask_after("0")
    try:
        yield
    finally:
        ask_after("inf")


def every_verb(remote: Remote) -> list[Callable[[], object]]:
    return [
        lambda: remote.list(""),
        lambda: remote.put("a", BytesSource(b"x")),
        lambda: remote.put("a", BytesSource(LARGE)),
        lambda: read(remote, "a"),
        lambda: remote.delete("a"),
    ]


def test_wrong_credentials_are_refused(s3: Server, prefix: str) -> None:
    """A key that the server does not know: no verb is worth another try, and the hint names the credentials."""
    with asking_for_credentials(s3):
        for verb in every_verb(s3.open(f"bucket/{prefix}")):
            with pytest.raises(RemoteRefused, match="credentials"):
                verb()


def test_missing_credentials_are_refused(s3: Server, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With none at all, nothing is even sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    for verb in every_verb(open_filesystem(f"s3://bucket/{prefix}", endpoint_url=s3.endpoint)):
        with pytest.raises(RemoteRefused, match="credentials"):
            verb()


def test_a_server_killed_during_a_put_is_unavailable(mortal: Server) -> None:
    """Half of the parts are sent when the server dies: worth another try."""
    remote = mortal.open("bucket/run")
    with pytest.raises(RemoteUnavailable):
        remote.put("a", Watched(LARGE, lambda number: number == 8 and mortal.process.kill()))


def test_a_server_killed_during_a_get_is_unavailable(mortal: Server) -> None:
    """The sink has got its first bytes when the server dies: the rest is worth another try."""
    remote = mortal.open("bucket/run")
    remote.put("a", BytesSource(LARGE))
    sink = Sink(lambda count: mortal.process.kill())
    with pytest.raises(RemoteUnavailable):
        remote.get("a", cast(BinaryIO, sink))
    assert 0 < sink.count < len(LARGE)


def answer(status: int, code: str = "Some") -> Exception:
    """What s3fs raises for an answer of S3."""
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = translate_boto_error(ClientError(response, "PutObject"))
    return error


def google_answer(status: int) -> Exception:
    """What gcsfs raises for an answer of Google's."""
    from gcsfs.retry import validate_response

    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever it is, is the question)
        validate_response(status, b"{}", "b/bucket/o")
    return caught.value


def library_errors() -> list[Exception]:
    import aiohttp
    from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
    from fsspec.exceptions import FSTimeoutError

    return [
        ConnectionClosedError(endpoint_url="u"),
        EndpointConnectionError(endpoint_url="u"),
        ReadTimeoutError(endpoint_url="u"),
        FSTimeoutError(),
        aiohttp.ClientPayloadError("cut"),
        aiohttp.ServerDisconnectedError(),
        ConnectionResetError(),
        OSError(errno.EIO, "Input/output error"),
    ]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("answered", [answer, google_answer])
def test_a_busy_service_is_unavailable(answered: Callable[[int], Exception], status: int) -> None:
    """Too many requests, timeouts and failures inside the service pass."""
    with pytest.raises(RemoteUnavailable, match="cannot store a"), attempt("store a"):
        raise answered(status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 412, 416, 501])
@pytest.mark.parametrize("answered", [answer, google_answer])
def test_a_clients_mistake_is_refused(answered: Callable[[int], Exception], status: int) -> None:
    """What the service says is wrong with the request stays wrong."""
    with pytest.raises(RemoteRefused, match="cannot store a"), attempt("store a"):
        raise answered(status)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("answered", [answer, google_answer])
def test_the_hint_names_the_credentials(answered: Callable[[int], Exception], status: int) -> None:
    """Who is not allowed in needs another key, not another URL."""
    with pytest.raises(RemoteRefused, match="credentials"), attempt("store a"):
        raise answered(status)


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("code", ["RequestTimeout", "BadDigest", "IncompleteBody", "NoSuchUpload"])
def test_an_upload_that_was_hurt_on_its_way_is_unavailable(code: str, status: int) -> None:
    """S3 gives these the status of a client's mistake, but the next try does not make it."""
    with pytest.raises(RemoteUnavailable), attempt("store a"):
        raise answer(status, code)


@pytest.mark.parametrize("error", library_errors(), ids=lambda error: type(error).__name__)
def test_a_broken_connection_is_unavailable(error: Exception) -> None:
    """Whatever class the libraries have for it."""
    with pytest.raises(RemoteUnavailable), attempt("store a"):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(),
        OSError(errno.EROFS, "Read-only file system"),
        FileExistsError("in the way"),
        NotImplementedError(),
        TypeError("no such option"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_stays_wrong_is_refused(error: Exception) -> None:
    """A full or read-only disk, a name in the way, a file system that cannot be written to."""
    with pytest.raises(RemoteRefused), attempt("store a"):
        raise error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["disk", "quota"])
def test_a_full_remote_is_told_as_full(number: int) -> None:
    """It goes on when there is room, so it is not refused like a mistake."""
    with pytest.raises(RemoteFull, match="delete old checkpoints"), attempt("store a"):
        raise OSError(number, "no room")


def test_what_has_been_said_is_not_said_again() -> None:
    """An error of this package passes as it is, and an interrupt is no error."""
    with pytest.raises(RemoteRefused, match=r"^what\n  -> hint$"), attempt("store a"):
        raise RemoteRefused("what", hint="hint")
    with pytest.raises(KeyboardInterrupt), attempt("store a"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("bucket/run", {}),
        ("s3:/bucket/run", {}),
        ("s3://", {}),
        ("gs:///", {}),
        ("simplecache::s3://bucket/run", {}),
        ("zip://run::s3://bucket/archive.zip", {}),
        ("no-such-protocol://run", {}),
        ("file:///runs", {"key": "k"}),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_at_once(url: str, options: dict[str, Any]) -> None:
    """No protocol, no bucket, a cache in between, options for a folder: a UsageError that names it."""
    with pytest.raises(UsageError, match=re.escape(url)):
        open_filesystem(url, **options)


def test_a_password_in_a_url_is_not_shown() -> None:
    """Notebooks are shared together with what they have printed."""
    with pytest.raises(UsageError) as caught:
        open_filesystem("no-such-protocol://me:secret@host/run")
    assert "//host/run" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    """What a mounted Drive needs, a file:// URL of it needs as well."""
    remote = open_filesystem(f"file://{tmp_path}/run")
    assert isinstance(remote, FolderRemote)
    assert remote.root == tmp_path / "run"


def test_a_name_is_no_pattern(anywhere: Remote) -> None:
    """Brackets and stars in names of folders and objects mean themselves, also for what is moved or sent in parts."""
    for name in ("run [1]/a*", "run 1/ab"):
        anywhere.put(name, BytesSource(LARGE + name.encode()))
    assert read(anywhere, "run [1]/a*", len(LARGE)) == b"run [1]/a*"
    anywhere.delete("run [1]/a*")
    assert read(anywhere, "run 1/ab", len(LARGE)) == b"run 1/ab"


def test_a_source_that_cannot_be_read_is_not_the_remotes_failure(anywhere: Remote, tmp_path: Path) -> None:
    """A local file that is missing says nothing about the remote, so nothing is refused by it."""
    with pytest.raises(RemoteUnavailable, match="source cannot be read"):
        anywhere.put("a", FileSource(tmp_path / "missing"))
    assert list(anywhere.list("")) == []


def test_what_a_file_system_remembers_is_forgotten() -> None:
    """Of a protocol that nobody here knows, a listing is asked for anew each time."""
    from fsspec.implementations.memory import MemoryFileSystem

    class Remembering(MemoryFileSystem):  # type: ignore[misc]
        cachable = False

        def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
            if path not in self.dircache:
                self.dircache[path] = super().ls(path, detail, **options)
            return self.dircache[path]

        def invalidate_cache(self, path: str | None = None) -> None:
            self.dircache.clear()

    filesystem = Remembering(global_store=False)
    remote = FilesystemRemote(filesystem, "/run", protocol="sftp")
    filesystem.pipe_file("/run/a", b"x")
    assert sizes(remote, "") == {"a": 1}
    filesystem.pipe_file("/run/b", b"y")
    assert sizes(remote, "") == {"a": 1, "b": 1}


def test_a_name_that_s3fs_reads_otherwise_is_refused(anywhere: Remote) -> None:
    """`a?versionId=b` would be stored as `a`, over what lies there."""
    anywhere.put("a", BytesSource(b"x"))
    with pytest.raises(RemoteRefused):
        anywhere.put("a?versionId=b", BytesSource(b"y"))
    assert read(anywhere, "a") == b"x"


@pytest.mark.parametrize(
    ("missing", "install"),
    [("fsspec", "%pip install colab-resume[fsspec] s3fs"), ("s3fs", "%pip install colab-resume[fsspec] s3fs")],
)
def test_a_missing_package_is_named(missing: str, install: str) -> None:
    """The hint is the command that installs it."""
    script = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from colab_resume.errors import UsageError\n"
        "from colab_resume.remotes.filesystem import open_filesystem\n"
        "try: open_filesystem('s3://bucket/run')\n"
        "except UsageError as error: print(error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == install


def test_a_worker_forked_beside_a_used_remote_ends(server: Server, prefix: str) -> None:
    """A worker inherits the remote without the thread behind it, and never uses it."""
    remote = server.open(f"bucket/{prefix}")
    remote.put("a", BytesSource(b"x"))
    worker = multiprocessing.get_context("fork").Process(target=BIG.count, args=(b"x",))
    worker.start()
    worker.join(20)
    assert worker.exitcode == 0
    assert read(remote, "a") == b"x"


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    """Where folders are real, an object cannot have the name of one, and nothing is left in it."""
    remote = moved(tmp_path)
    remote.put("folder/a", BytesSource(b"x"))
    with pytest.raises(RemoteRefused, match="folder"):
        remote.put("folder", BytesSource(b"y"))
    assert [path.name for path in (tmp_path / "run" / "folder").iterdir()] == ["a"]
