"""The remote on a mounted Drive: it keeps the contract, believes Drive alone, and never writes beside the mount."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from contract_remote import RemoteContract
from drivefs.mount import DriveFS, NotUploaded
from drivefs.rclone import RcloneMount

from colab_resume.errors import RemoteFull, RemoteRefused, RemoteUnavailable, UsageError
from colab_resume.remotes import BytesSource, Remote
from colab_resume.remotes.drive_mount import DriveMount, Proof
from colab_resume.testing import ManualClock

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]
FOLDERS = itertools.count()


@pytest.fixture(scope="module")
def shared(needs_fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriveFS]:
    """One mount for all tests of the contract; files are uploaded in the background."""
    with DriveFS(tmp_path_factory.mktemp("drive")) as fs:
        yield fs


class TestOnDriveFS(RemoteContract):
    @pytest.fixture
    def remote(self, shared: DriveFS) -> Remote:
        return DriveMount(shared.drive / f"run-{next(FOLDERS)}")

    @pytest.fixture
    def other(self, remote: DriveMount) -> Remote:
        return DriveMount(remote.root)


@pytest.fixture(scope="module")
def rcloned(needs_fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneMount]:
    """A mount by other people, for all tests of the contract."""
    with RcloneMount(tmp_path_factory.mktemp("rclone")) as fs:
        yield fs


class TestOnRclone(RemoteContract):
    @pytest.fixture
    def remote(self, rcloned: RcloneMount) -> Remote:
        return DriveMount(rcloned.mountpoint / f"run-{next(FOLDERS)}")

    @pytest.fixture
    def other(self, remote: DriveMount) -> Remote:
        return DriveMount(remote.root)


def on_drive(fs: DriveFS, name: str) -> bytes | None:
    """What a fresh VM would find under this name."""
    path = fs.cloud / "run" / name
    return path.read_bytes() if path.exists() else None


def below(folder: Path) -> list[str]:
    """Every file and folder below it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def mounted(fs: DriveFS, clock: ManualClock | None = None, **options: Any) -> DriveMount:
    """A remote whose waiting is a clock's."""
    clock = clock or ManualClock()
    return DriveMount(fs.drive / "run", **{"wait": clock.wait, "clock": clock, **options})


def test_put_returns_when_drive_has_the_bytes_and_not_before(drive_fs: DriveFS) -> None:
    """Until Drive has confirmed, `put` waits; what it then says is on Drive is there."""
    looks: list[bytes | None] = []

    def wait(seconds: float) -> None:
        looks.append(on_drive(drive_fs, "a"))
        if len(looks) == 3:
            drive_fs.upload()

    remote = mounted(drive_fs, wait=wait)
    receipt = remote.put("a", BytesSource(b"bytes"))
    assert looks == [None] * 3
    assert on_drive(drive_fs, "a") == b"bytes"
    assert receipt.md5 == BytesSource(b"bytes").md5


def test_what_drive_does_not_take_is_told_and_waited_for_again_without_being_sent_again(drive_fs: DriveFS) -> None:
    """Offline for long: the error says so; the next try waits for the same file, which is not written anew."""
    remote = mounted(drive_fs)
    with pytest.raises(RemoteUnavailable, match="has not taken it yet"):
        remote.put("a", BytesSource(b"bytes"))
    written = (drive_fs.drive / "run" / "a").stat().st_mtime_ns
    assert list(remote.list("")) == []
    drive_fs.upload()
    remote.put("a", BytesSource(b"bytes"))
    assert (drive_fs.drive / "run" / "a").stat().st_mtime_ns == written
    assert [entry.name for entry in remote.list("")] == ["a"]


def test_other_bytes_of_the_same_size_are_not_taken_for_those_that_wait(drive_fs: DriveFS) -> None:
    """What waits under the name is replaced if the content is another."""
    remote = mounted(drive_fs)
    with pytest.raises(RemoteUnavailable):
        remote.put("a", BytesSource(b"one"))
    drive_fs.let_go()
    mounted(drive_fs, wait=lambda seconds: drive_fs.settle()).put("a", BytesSource(b"two"))
    with contextlib.suppress(RemoteUnavailable):
        remote.put("a", BytesSource(b"six"))
    drive_fs.settle()
    assert on_drive(drive_fs, "a") == b"six"


def test_an_overwritten_file_counts_when_drive_has_the_new_bytes(drive_fs: DriveFS) -> None:
    """It has an id on Drive all the time, and the old content, too."""
    remote = mounted(drive_fs, wait=lambda seconds: drive_fs.upload())
    remote.put("a", BytesSource(b"old"))
    held = mounted(drive_fs)
    with pytest.raises(RemoteUnavailable):
        held.put("a", BytesSource(b"new"))
    assert on_drive(drive_fs, "a") == b"old"
    remote.put("a", BytesSource(b"new"))
    assert on_drive(drive_fs, "a") == b"new"
    assert below(drive_fs.trash) == []


@pytest.mark.parametrize(
    ("answers", "proof"),
    [
        ({"id", "md5", "uncommitted"}, Proof.UNCOMMITTED),
        ({"uncommitted"}, Proof.UNCOMMITTED),
        ({"id", "md5"}, Proof.ID),
        ({"id"}, Proof.ID),
        ({"md5"}, Proof.NONE),
        (set(), Proof.NONE),
    ],
)
@pytest.mark.parametrize("unanswered", [errno.ENODATA, errno.EOPNOTSUPP])
def test_what_answers_is_found_out_and_used(
    new_drive_fs: Callable[..., DriveFS], answers: set[str], proof: Proof, unanswered: int
) -> None:
    """With any proof a pending file is not confirmed; without one, `put` returns when the mount has taken it."""
    fs = new_drive_fs(held=True, answers=answers, unanswered=unanswered)
    remote = mounted(fs)
    assert remote.proof is proof
    assert remote.confirms is (proof is not Proof.NONE)
    if remote.confirms:
        with pytest.raises(RemoteUnavailable):
            remote.put("a", BytesSource(b"x"))
        fs.upload()
    remote.put("a", BytesSource(b"x"))
    assert [entry.name for entry in remote.list("")] == ["a"]


def test_bytes_that_are_not_those_that_were_written_are_not_believed(drive_fs: DriveFS) -> None:
    """Drive's md5 is held against that of what was written."""
    remote = mounted(drive_fs)
    with pytest.raises(RemoteUnavailable):
        remote.put("a", BytesSource(b"right"))
    (drive_fs.drive / "run" / "a").write_bytes(b"wrong")
    drive_fs.upload()
    with pytest.raises(RemoteUnavailable, match="other bytes"):
        remote.put("a", BytesSource(b"right"))


VERBS: dict[str, Callable[[DriveMount], object]] = {
    "list": lambda remote: remote.list("packs"),
    "put": lambda remote: remote.put("packs/b", BytesSource(b"x" * 100_000)),
    "overwrite": lambda remote: remote.put("packs/a", BytesSource(b"y" * 100_000)),
    "get": lambda remote: remote.get("packs/a", BytesIO()),
    "delete": lambda remote: remote.delete("packs/a"),
}


@pytest.fixture
def used(new_drive_fs: Callable[..., DriveFS]) -> tuple[DriveFS, DriveMount]:
    """A mount that uploads at once, with one file."""
    fs = new_drive_fs()
    clock = ManualClock()

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        with contextlib.suppress(NotUploaded, RuntimeError):
            fs.settle()

    remote = DriveMount(fs.drive / "run", wait=wait, clock=clock)
    remote.put("packs/a", BytesSource(b"a" * 100_000))
    return fs, remote


@pytest.mark.parametrize("verb", VERBS)
def test_an_absent_mount_gets_nothing_written_under_its_mount_point(
    used: tuple[DriveFS, DriveMount], verb: str
) -> None:
    """Every verb is told, the empty folder stays empty, and after a new mount all is as before."""
    fs, remote = used
    fs.unmount()
    with pytest.raises(RemoteUnavailable, match="nothing is mounted") as raised:
        VERBS[verb](remote)
    assert "drive.mount" in raised.value.hint
    assert below(fs.mountpoint) == []
    fs.mount()
    VERBS[verb](remote)


@pytest.mark.parametrize("verb", VERBS)
def test_a_dead_mount_is_told_apart_from_an_empty_one(used: tuple[DriveFS, DriveMount], verb: str) -> None:
    """Errno 107 is passing, says what to do, and goes when Drive is mounted again."""
    fs, remote = used
    fs.die()
    with pytest.raises(RemoteUnavailable, match="died") as raised:
        VERBS[verb](remote)
    assert "drive.mount" in raised.value.hint
    fs.revive()
    VERBS[verb](remote)


class Unmounting:
    """A source that unmounts Drive when it is opened: just between the look at the mount and the first write."""

    size = 100_000

    def __init__(self, fs: DriveFS) -> None:
        self._fs = fs

    def open(self, offset: int = 0) -> BinaryIO:
        self._fs.unmount()
        return BytesIO(b"x" * self.size)


def test_a_mount_that_goes_in_mid_write_gets_nothing_written_under_its_mount_point(
    used: tuple[DriveFS, DriveMount],
) -> None:
    """What is written goes through the mount that was looked at, or nowhere."""
    fs, remote = used
    with pytest.raises(RemoteUnavailable):
        remote.put("packs/b", Unmounting(fs))
    assert below(fs.mountpoint) == []


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("operation", ["getattr", "open", "create", "read", "write", "readdir", "fsync", "getxattr"])
def test_an_input_output_error_is_passing(used: tuple[DriveFS, DriveMount], verb: str, operation: str) -> None:
    """Whichever operation fails, the verb succeeds or says that trying again can help; and then it does."""
    fs, remote = used
    _ = remote.proof
    fs.change(eio={operation})
    with contextlib.suppress(RemoteUnavailable):
        VERBS[verb](remote)
    fs.change(eio=())
    VERBS[verb](remote)
    assert not [name for name in below(fs.drive / "run" / "packs") if name.startswith(".part-")]


def test_a_read_only_mount_is_refused_with_what_to_do(used: tuple[DriveFS, DriveMount]) -> None:
    """Trying again cannot help there."""
    fs, remote = used
    fs.change(erofs=True)
    with pytest.raises(RemoteRefused, match="Read-only"):
        remote.put("packs/b", BytesSource(b"x"))


def test_a_full_drive_is_seen_before_anything_is_written(new_drive_fs: Callable[..., DriveFS]) -> None:
    """Such a mount would take the bytes and never upload them."""
    fs = new_drive_fs(drive_space=16 << 20)
    remote = mounted(fs, wait=lambda seconds: fs.settle())
    remote.put("small", BytesSource(b"x" * 1000))
    with pytest.raises(RemoteFull):
        remote.put("large", BytesSource(bytes(12 << 20)))
    assert on_drive(fs, "large") is None
    assert sorted(entry.name for entry in remote.list("")) == ["small"]
    free = remote.space().free
    assert free is not None
    assert free < 16 << 20


class Filling:
    """A source during which the VM's disk becomes full."""

    size = 4 << 20

    def __init__(self, fs: DriveFS) -> None:
        self._fs = fs

    def open(self, offset: int = 0) -> BinaryIO:
        self._fs.change(local_space=1 << 20)
        return BytesIO(bytes(self.size))


def test_a_full_disk_of_the_vm_leaves_no_part_behind(drive_fs: DriveFS) -> None:
    """ENOSPC in mid-write: it is said, what was begun is gone, and nobody gives up checkpoints on Drive for it."""
    remote = mounted(drive_fs)
    _ = remote.proof
    with pytest.raises(RemoteUnavailable, match="the VM's disk is full"):
        remote.put("a", Filling(drive_fs))
    assert below(drive_fs.drive / "run") == [".part-probe"]


def test_what_is_deleted_leaves_no_bytes_in_the_trash(new_drive_fs: Callable[..., DriveFS]) -> None:
    """The file that goes to the trash is empty on Drive before it goes."""
    fs = new_drive_fs()
    remote = mounted(fs, wait=lambda seconds: fs.settle())
    remote.put("pack", BytesSource(bytes(1 << 20)))
    remote.delete("pack")
    assert [path.stat().st_size for path in fs.trash.iterdir()] == [0]
    assert on_drive(fs, "pack") is None


def test_a_file_that_cannot_be_emptied_on_drive_is_not_deleted_yet(new_drive_fs: Callable[..., DriveFS]) -> None:
    """While Drive is offline its bytes would all go to the trash."""
    fs = new_drive_fs()
    mounted(fs, wait=lambda seconds: fs.settle()).put("pack", BytesSource(bytes(1 << 20)))
    fs.change(offline=True)
    remote = mounted(fs)
    with pytest.raises(RemoteUnavailable):
        remote.delete("pack")
    assert (fs.drive / "run" / "pack").exists()
    fs.change(offline=False)
    fs.settle()
    remote.delete("pack")
    assert [path.stat().st_size for path in fs.trash.iterdir()] == [0]


def test_another_vm_sees_what_was_put(new_drive_fs: Callable[..., DriveFS]) -> None:
    """What `put` has returned for survives the loss of the VM in the same moment."""
    fs = new_drive_fs()
    mounted(fs, wait=lambda seconds: fs.settle()).put("packs/a", BytesSource(b"x"))
    fs.die()
    later = new_drive_fs(cloud=fs.cloud)
    sink = BytesIO()
    mounted(later).get("packs/a", sink)
    assert sink.getvalue() == b"x"


def test_a_folder_on_the_vms_own_disk_is_refused(tmp_path: Path) -> None:
    """It says how to mount Drive."""
    with pytest.raises(UsageError, match="own disk") as raised:
        DriveMount(tmp_path)
    assert "drive.mount" in raised.value.hint


def test_parts_of_dead_writers_are_swept_a_day_later(new_drive_fs: Callable[..., DriveFS]) -> None:
    """Old ones go, without leaving bytes in the trash; those of today stay."""
    fs = new_drive_fs()
    folder = fs.drive / "run"
    folder.mkdir()
    for name, days in ((".part-old", 2.0), (".part-new", 0.5), (".part-probe", 2.0)):
        (folder / name).write_bytes(bytes(100_000))
        then = time.time() - days * 24 * 3600
        os.utime(folder / name, (then, then))
    fs.settle()
    remote = mounted(fs, wait=lambda seconds: fs.settle())
    remote.put("a", BytesSource(b"x"))
    fs.settle()
    assert [name for name in below(folder) if "part" in name] == [".part-new", ".part-probe"]
    assert [path.stat().st_size for path in fs.trash.iterdir()] == [0]


def test_an_rclone_mount_is_handed_files_and_never_believed(rclone_mount: RcloneMount) -> None:
    """It answers no attribute, so nothing is called safe there; but all arrives."""
    remote = DriveMount(rclone_mount.mountpoint / "run")
    assert not remote.confirms
    remote.put("packs/a", BytesSource(b"x" * 1000))
    rclone_mount.settle("run/packs/a", b"x" * 1000)
