"""Every back end keeps the contract; a folder also keeps its own promises about full disks, death and links."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from contract_remote import BAD_NAMES, RemoteContract, read, sizes

from colab_resume import errors
from colab_resume.errors import RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, FileSource, Remote, Source
from colab_resume.remotes.folder import FolderRemote
from colab_resume.remotes.opening import open_remote
from colab_resume.remotes.retrying import Retrying
from colab_resume.testing import FaultyRemote, ManualClock, MemoryRemote

__all__: list[str] = []

OLD = BytesSource(b"old content")
MIB = 1 << 20


class TestMemoryRemote(RemoteContract):
    @pytest.fixture
    def remote(self) -> Remote:
        return MemoryRemote()


class TestFolderRemote(RemoteContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Remote:
        return FolderRemote(tmp_path / "drive" / "run")

    @pytest.fixture
    def other(self, tmp_path: Path) -> Remote:
        return FolderRemote(tmp_path / "drive" / "run")


class TestRetryingFolder(RemoteContract):
    @pytest.fixture
    def remote(self, tmp_path: Path) -> Remote:
        return Retrying(FolderRemote(tmp_path / "run"), wait=ManualClock().wait)

    @pytest.fixture
    def other(self, tmp_path: Path) -> Remote:
        return FolderRemote(tmp_path / "run")


class TestRetryingFlakyMemory(RemoteContract):
    """Two of three operations fail, a failing get has written half: nobody behind `Retrying` may notice."""

    @pytest.fixture
    def memory(self) -> MemoryRemote:
        return MemoryRemote()

    @pytest.fixture
    def remote(self, memory: MemoryRemote) -> Remote:
        def fault(number: int, verb: str, name: str) -> Exception | None:
            return RemoteUnavailable("the line dropped", hint="again") if number % 3 else None

        # Threads share the count, so one of them may meet many failing numbers in a row.
        return Retrying(FaultyRemote(memory, fault), attempts=100, wait=ManualClock().wait)

    @pytest.fixture
    def other(self, memory: MemoryRemote) -> Remote:
        return memory


class Watching:
    """A source that runs `at_block` between its blocks of one MiB."""

    def __init__(self, size: int, at_block: Callable[[], object]) -> None:
        self.size = size
        self._at_block = at_block

    def open(self, offset: int = 0) -> BinaryIO:
        source = self

        class Stream(BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                source._at_block()
                return super().read(size)

        return Stream(bytes(self.size - offset))


def everything(folder: Path) -> set[str]:
    """Every file and link below `folder`, hidden ones too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def failing(monkeypatch: pytest.MonkeyPatch, number: int, *, on_folders: bool = False) -> None:
    """From now on the operating system answers fsync of files (or of folders) with this errno."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) == on_folders:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


def test_nothing_is_created_before_the_first_put(tmp_path: Path) -> None:
    """Opening, listing and deleting leave no trace; the first put makes the whole chain of folders."""
    remote = open_remote(tmp_path / "a" / "b")
    assert list(remote.list("")) == list(remote.list("packs")) == []
    remote.delete("packs/x")
    with pytest.raises(RemoteRefused):
        remote.get("packs/x", BytesIO())
    assert list(tmp_path.iterdir()) == []
    remote.put("packs/x", OLD)
    assert (tmp_path / "a" / "b" / "packs" / "x").read_bytes() == OLD.data


def test_an_object_is_an_ordinary_file(tmp_path: Path) -> None:
    """A person can look at it, copy it, and put one there by hand."""
    remote = FolderRemote(tmp_path)
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "by hand").write_bytes(b"12345")
    remote.put("packs/x", OLD)
    assert sizes(remote, "packs") == {"packs/by hand": 5, "packs/x": OLD.size}
    assert everything(tmp_path) == {"packs/by hand", "packs/x"}


def test_the_folder_stays_the_same_when_the_notebook_changes_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means what it meant when the remote was opened."""
    monkeypatch.chdir(tmp_path)
    remote = open_remote("run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    remote.put("x", OLD)
    assert everything(tmp_path) == {"run/x"}


@pytest.mark.parametrize("where", ["nonsense://x", "s3://", Path("s3://bucket"), "", "a\0b"])
def test_what_is_neither_folder_nor_url_is_not_opened(where: str | Path) -> None:
    """An impossible path or URL is refused with a hint before anything is created."""
    with pytest.raises(UsageError) as caught:
        open_remote(where)
    assert caught.value.hint


def test_readers_see_the_old_content_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """While a put is under way, another client lists and reads the old object, and nothing else."""
    other = FolderRemote(tmp_path)
    seen: list[tuple[bytes, dict[str, int]]] = []
    other.put("x", OLD)
    FolderRemote(tmp_path).put("x", Watching(3 * MIB, lambda: seen.append((read(other, "x"), sizes(other, "")))))
    assert len(seen) > 3
    assert all(state == (OLD.data, {"x": OLD.size}) for state in seen)
    assert sizes(other, "") == {"x": 3 * MIB}


def test_a_writer_killed_in_the_middle_leaves_the_old_object(tmp_path: Path) -> None:
    """SIGKILL after two of three blocks: the old content is whole, and no torn object is listed."""
    script = """
import os, signal, sys
from pathlib import Path
from colab_resume.remotes.folder import FolderRemote

class Deadly:
    size = 3 << 20
    def open(self, offset=0):
        return self
    def __enter__(self):
        self.blocks = 0
        return self
    def __exit__(self, *error):
        pass
    def read(self, size):
        if self.blocks == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        self.blocks += 1
        return bytes(size)

FolderRemote(Path(sys.argv[1])).put(sys.argv[2], Deadly())
"""
    remote = FolderRemote(tmp_path)
    remote.put("x", OLD)
    environment = {**os.environ, "PYTHONPATH": str(Path(errors.__file__).parents[1])}
    for name in ("x", "new"):
        child = subprocess.run([sys.executable, "-c", script, tmp_path, name], env=environment, check=False)
        assert child.returncode == -signal.SIGKILL
    assert len(everything(tmp_path)) == 3, "the writers were to die in the middle of their parts"
    assert sizes(remote, "") == {"x": OLD.size}
    assert read(remote, "x") == OLD.data
    with pytest.raises(RemoteRefused):
        read(remote, "new")


def test_parts_of_dead_writers_are_swept_after_a_day(tmp_path: Path) -> None:
    """The first put into a folder removes parts older than a day; younger ones may belong to a live writer."""
    clock = ManualClock()
    for name, age in ((".part-dead", 25 * 3600), (".part-live", 23 * 3600), ("precious", 99 * 3600)):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (clock() - age, clock() - age))
    remote = FolderRemote(tmp_path, clock=clock)
    assert sizes(remote, "") == {"precious": 1}
    assert len(everything(tmp_path)) == 3, "listing removes nothing"
    remote.put("x", OLD)
    assert everything(tmp_path) == {".part-live", "precious", "x"}
    clock.advance(2 * 3600)
    remote.put("x", OLD)
    assert ".part-live" in everything(tmp_path), "later puts do not look again"


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before the rename, its folder after it, new folders when they are made."""
    events: list[str] = []
    fsync, rename = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        events.append("sync part" if path.name.startswith(".part-") else f"sync {path.relative_to(tmp_path.parent)}")
        fsync(descriptor)

    def renamed(source: Path, target: Path) -> None:
        events.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    FolderRemote(tmp_path).put("packs/x", OLD)
    top = tmp_path.name
    assert events == [f"sync {top}", "sync part", "rename", f"sync {top}/packs"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """FUSE mounts answer fsync of a folder so; the object is stored."""
    failing(monkeypatch, number, on_folders=True)
    FolderRemote(tmp_path).put("packs/x", OLD)
    assert (tmp_path / "packs" / "x").read_bytes() == OLD.data


def test_any_other_failure_to_sync_the_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A put whose rename may not be durable does not return a receipt."""
    failing(monkeypatch, errno.EIO, on_folders=True)
    with pytest.raises(RemoteUnavailable):
        FolderRemote(tmp_path).put("x", OLD)


@pytest.mark.parametrize(
    ("number", "kind", "hint"),
    [
        (errno.ENOSPC, RemoteRefused, "full"),
        (errno.EDQUOT, RemoteRefused, "full"),
        (errno.EROFS, RemoteRefused, "writable"),
        (errno.EACCES, RemoteRefused, "writable"),
        (errno.EPERM, RemoteRefused, "writable"),
        (errno.EFBIG, RemoteRefused, "name"),
        (errno.ENOTCONN, RemoteUnavailable, "mount it again"),
        (errno.EIO, RemoteUnavailable, "mounted"),
        (errno.ESTALE, RemoteUnavailable, "mounted"),
        (errno.ETIMEDOUT, RemoteUnavailable, "mounted"),
        (errno.EBUSY, RemoteUnavailable, "mounted"),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_each_failure_of_the_system_says_whether_to_try_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[errors.RemoteError],
    hint: str,
) -> None:
    """Permanent and passing failures are told apart, with cause and hint; the old object stays, no part does."""
    remote = FolderRemote(tmp_path)
    remote.put("x", OLD)
    failing(monkeypatch, number)
    with pytest.raises(kind, match="x: ") as caught:
        remote.put("x", BytesSource(b"new"))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number
    assert hint in caught.value.hint
    assert everything(tmp_path) == {"x"}
    assert read(remote, "x") == OLD.data


def test_an_interrupt_in_the_middle_leaves_no_part(tmp_path: Path) -> None:
    """Not only errors clean up: so does the Stop button."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FolderRemote(tmp_path).put("x", Watching(MIB, stop))
    assert everything(tmp_path) == set()


def test_a_short_source_leaves_the_old_object(tmp_path: Path) -> None:
    """A put that got fewer bytes than announced replaces nothing and leaves no part."""

    class Short(BytesSource):
        size = 100

    remote = FolderRemote(tmp_path)
    remote.put("x", OLD)
    with pytest.raises(RemoteUnavailable, match="3 of 100 bytes came from its source"):
        remote.put("x", Short(b"abc"))
    assert everything(tmp_path) == {"x"}
    assert read(remote, "x") == OLD.data


class BadDisk(BytesIO):
    """A file that can be opened and not read."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_source_that_cannot_be_read_does_not_blame_the_remote(tmp_path: Path, when: str) -> None:
    """A local file that is gone or broken is said to be; the remote is not called full, absent or read-only."""

    class Fleeting(FileSource):
        def open(self, offset: int = 0) -> BinaryIO:
            return BadDisk()

    path = tmp_path / "local"
    if when == "meanwhile":
        path.write_bytes(b"abc")
    with pytest.raises(RemoteUnavailable, match="source cannot be read") as caught:
        FolderRemote(tmp_path / "run").put("x", Fleeting(path))
    assert isinstance(caught.value.__cause__, OSError)
    path.unlink(missing_ok=True)
    assert everything(tmp_path) <= {"run"}


def test_a_sink_that_fails_does_not_blame_the_remote(tmp_path: Path) -> None:
    """A full local disk during a download stays the local disk's error."""

    class Full(BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(errno.ENOSPC, "the local disk is full")

    remote = FolderRemote(tmp_path)
    remote.put("x", OLD)
    with pytest.raises(OSError, match="the local disk is full"):
        remote.get("x", Full())


def test_a_root_that_vanished_does_not_look_empty(tmp_path: Path) -> None:
    """A lost mount is passing trouble: neither an empty remote nor a reason to write where it was."""
    remote = FolderRemote(tmp_path / "run")
    remote.put("x", OLD)
    assert sizes(remote, "") == {"x": OLD.size}
    (tmp_path / "run").rename(tmp_path / "away")
    for act in (
        lambda: remote.list(""),
        lambda: remote.put("x", OLD),
        lambda: remote.get("x", BytesIO()),
        lambda: remote.delete("x"),
    ):
        with pytest.raises(RemoteUnavailable, match="mounted"):
            act()
    assert everything(tmp_path) == {"away/x"}
    (tmp_path / "away").rename(tmp_path / "run")
    assert read(remote, "x") == OLD.data


def test_a_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """It can never become a remote by trying again."""
    (tmp_path / "run").write_bytes(b"x")
    remote = FolderRemote(tmp_path / "run")
    with pytest.raises(RemoteRefused):
        remote.list("")
    with pytest.raises(RemoteRefused):
        remote.put("x", OLD)


@pytest.mark.parametrize("name", ["a/b", "folder", "n" * 300], ids=["below a file", "over a folder", "too long"])
def test_a_name_that_the_file_system_cannot_take_is_refused(tmp_path: Path, name: str) -> None:
    """Trying again cannot help, and nothing is left behind."""
    remote = FolderRemote(tmp_path)
    remote.put("a", OLD)
    remote.put("folder/x", OLD)
    with pytest.raises(RemoteRefused, match="name"):
        remote.put(name, BytesSource(b"new"))
    assert everything(tmp_path) == {"a", "folder/x"}


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_no_bad_name_writes_anywhere(tmp_path: Path, name: str) -> None:
    """Neither in the folder nor outside of it does a file appear."""
    with pytest.raises(RemoteRefused):
        FolderRemote(tmp_path / "a" / "b" / "run").put(name, OLD)
    assert everything(tmp_path) == set()


def test_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    """Through a link to a folder or a file outside nothing is read, listed, written or deleted."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root = tmp_path / "run"
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    remote = FolderRemote(root)
    assert list(remote.list("")) == []
    with pytest.raises(RemoteRefused, match="outside"):
        remote.list("folder")
    for name in ("folder/secret", "folder/new", "file"):
        for act in (remote.delete, lambda name: read(remote, name), lambda name: remote.put(name, OLD)):
            with pytest.raises(RemoteRefused, match="outside"):
                act(name)
    assert everything(tmp_path) == {"outside/secret", "run/file", "run/folder"}
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    """A loop stays one, however often it is tried."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RemoteRefused):
        read(FolderRemote(tmp_path), "loop")


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """Shared Drive folders are links into a hidden folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    remote = FolderRemote(tmp_path / "run")
    remote.put("packs/x", OLD)
    assert read(remote, "packs/x") == OLD.data
    assert everything(tmp_path / "real") == {"packs/x"}


@pytest.mark.parametrize("name", ["nothing", "folder", "folder/x/below"])
def test_only_a_file_is_an_object(tmp_path: Path, name: str) -> None:
    """A folder, or a name below a file, is told to be absent, as if nothing were there."""
    remote = FolderRemote(tmp_path)
    remote.put("folder/x", OLD)
    with pytest.raises(RemoteRefused, match=f"{name} is not there"):
        remote.get(name, BytesIO())


def test_what_cannot_be_named_is_not_listed(tmp_path: Path) -> None:
    """A folder may hold anything; a name that `get` would refuse is not offered."""
    os.close(os.open(os.fsencode(tmp_path) + b"/not utf-8 \xff", os.O_CREAT | os.O_WRONLY))
    (tmp_path / "two\nlines").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert list(FolderRemote(tmp_path).list("")) == []


def test_an_object_that_goes_while_it_is_listed_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another client may delete at any moment; the others are listed."""
    remote = FolderRemote(tmp_path)
    for name in ("going", "staying"):
        remote.put(name, OLD)
    scandir = os.scandir

    @contextlib.contextmanager
    def disturbed(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(path) as found:
            items = list(found)
        (tmp_path / "going").unlink()
        yield iter(items)

    monkeypatch.setattr(os, "scandir", disturbed)
    assert sizes(remote, "") == {"staying": OLD.size}


def test_a_big_object_passes_in_blocks(tmp_path: Path) -> None:
    """60 MB up and down cost a few blocks of memory."""
    path = tmp_path / "big"
    with path.open("wb") as stream:
        stream.truncate(60_000_000)
    remote = FolderRemote(tmp_path / "run")
    received = 0

    class Discard:
        def write(self, data: bytes) -> int:
            nonlocal received
            received += len(data)
            return len(data)

    tracemalloc.start()
    try:
        remote.put("big", FileSource(path))
        remote.get("big", cast(BinaryIO, Discard()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == 60_000_000
    assert peak < 5 * MIB


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_a_full_disk_refuses_and_keeps_what_is_there(small_disk: Path) -> None:
    """ENOSPC: refused with a hint, the old object whole, no part left, and all is well after space was made."""
    remote = FolderRemote(small_disk)
    big: Source = BytesSource(bytes(MIB + MIB // 2))
    remote.put("ballast", big)
    remote.put("packs/x", OLD)
    with pytest.raises(RemoteRefused, match="full"):
        remote.put("packs/x", big)
    assert everything(small_disk) == {"ballast", "packs/x"}
    assert read(remote, "packs/x") == OLD.data
    remote.delete("ballast")
    remote.put("packs/x", big)
    assert sizes(remote, "packs") == {"packs/x": big.size}


@pytest.mark.root
@pytest.mark.xdist_group("machine")
def test_a_read_only_disk_refuses_writing_and_can_be_read(small_disk: Path) -> None:
    """EROFS: put and delete are refused, get and list go on."""
    remote = FolderRemote(small_disk)
    remote.put("x", OLD)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for act in (lambda: remote.put("x", OLD), lambda: remote.put("new/y", OLD), lambda: remote.delete("x")):
        with pytest.raises(RemoteRefused, match="writable"):
            act()
    assert everything(small_disk) == {"x"}
    assert sizes(remote, "") == {"x": OLD.size}
    assert read(remote, "x") == OLD.data


def test_threads_that_make_the_folder_together_do_not_miss_it(tmp_path: Path) -> None:
    """A folder that another thread has just made is not a lost mount."""
    for number in range(40):
        remote, meeting = FolderRemote(tmp_path / f"new-{number}" / "run"), threading.Barrier(8)

        def put(thread: int, remote: FolderRemote = remote, meeting: threading.Barrier = meeting) -> None:
            meeting.wait(60)
            remote.put(f"a/{thread}", BytesSource(b"x"))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(put, range(8)))
