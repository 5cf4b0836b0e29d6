"""Each fault of a mounted Drive happens as on Colab, when the test says so, and stops when it says so."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from drivefs.looking import ask, listed, state
from drivefs.mount import DriveFS, NotUploaded

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]

Mounting = Callable[..., DriveFS]


def code(action: Callable[[], object]) -> int:
    """The error number with which an action fails."""
    with pytest.raises(OSError, match=r"\[Errno") as error:
        action()
    return error.value.errno or 0


def write(path: Path, data: bytes = b"x") -> Callable[[], object]:
    return lambda: path.write_bytes(data)


def actions(fs: DriveFS) -> dict[str, Callable[[], object]]:
    """For each operation something that needs it, on a Drive with the file `old` and the folder `folder`."""
    old, new = fs.drive / "old", fs.drive / "new"
    return {
        "getattr": old.stat,
        "readdir": lambda: list(fs.drive.iterdir()),
        "open": lambda: old.open("rb"),
        "read": old.read_bytes,
        "create": write(new),
        "write": write(old),
        "flush": write(old),
        "fsync": lambda: sync(old),
        "truncate": lambda: os.truncate(old, 0),
        "rename": lambda: old.rename(new),
        "unlink": old.unlink,
        "mkdir": new.mkdir,
        "rmdir": (fs.drive / "folder").rmdir,
        "chmod": lambda: old.chmod(0o600),
        "utimens": lambda: os.utime(old, (1, 1)),
        "statfs": lambda: os.statvfs(fs.drive),
        "getxattr": lambda: ask(old, "id"),
    }


def sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


@pytest.fixture
def filled(drive_fs: DriveFS) -> DriveFS:
    """A Drive with a file and a folder."""
    (drive_fs.drive / "old").write_bytes(b"content")
    (drive_fs.drive / "folder").mkdir()
    drive_fs.upload()
    return drive_fs


def test_each_operation_can_fail_with_eio(filled: DriveFS) -> None:
    """The named one fails, the file stays as it is, and afterwards everything works again."""
    for operation, action in actions(filled).items():
        filled.change(eio={operation})
        assert code(action) == errno.EIO, operation
        filled.change(eio=())
        assert listed(filled.drive) == ["folder", "old"]
        (filled.drive / "old").write_bytes(b"content")
    assert (filled.drive / "old").read_bytes() == b"content"


def test_a_drive_mounted_read_only_refuses_every_change(filled: DriveFS) -> None:
    """EROFS, and reading goes on."""
    filled.change(erofs=True)
    for operation in ("create", "write", "truncate", "rename", "unlink", "mkdir", "rmdir", "chmod", "utimens"):
        assert code(actions(filled)[operation]) == errno.EROFS, operation
    assert (filled.drive / "old").read_bytes() == b"content"
    assert listed(filled.drive) == ["folder", "old"]


def test_a_slow_operation_waits_until_the_test_lets_it_go(filled: DriveFS) -> None:
    """A call hangs for as long as it was told, or until the conditions change; other calls go on meanwhile."""
    filled.change(latency={"unlink": 600.0})
    thread = threading.Thread(target=(filled.drive / "old").unlink)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    assert (filled.drive / "folder").is_dir()
    filled.change(latency={})
    thread.join(10)
    assert listed(filled.drive) == ["folder"]


def test_every_call_fails_after_a_death(filled: DriveFS) -> None:
    """Transport endpoint is not connected, also for what was open; os.path says that it is not there."""
    stream = (filled.drive / "old").open("rb", buffering=0)
    filled.die()
    for operation, action in actions(filled).items():
        if operation not in ("flush", "fsync"):
            assert code(action) == errno.ENOTCONN, operation
    assert code(stream.read) == errno.ENOTCONN
    assert code(filled.mountpoint.stat) == errno.ENOTCONN
    assert not os.path.lexists(filled.mountpoint)
    assert not os.path.ismount(filled.mountpoint)
    assert f" {filled.mountpoint} fuse.drive " in Path("/proc/mounts").read_text()
    assert code(stream.close) == errno.ENOTCONN


def test_pending_uploads_resume_after_a_death(filled: DriveFS) -> None:
    """The cache is still there: new, overwritten and half-written files, and what was done offline."""
    (filled.drive / "new").write_bytes(b"new")
    (filled.drive / "old").write_bytes(b"newer")
    filled.change(offline=True)
    (filled.drive / "folder").rename(filled.drive / "renamed")
    stream = (filled.drive / "half").open("wb", buffering=0)
    stream.write(b"half")
    filled.die()
    with pytest.raises(OSError, match="not connected"):
        stream.close()
    filled.revive()
    assert state(filled.drive / "new") == (True, "1")
    assert sorted(filled.pending()) == ["half", "new", "old"]
    filled.change(offline=False)
    filled.upload()
    assert listed(filled.cloud) == ["half", "new", "old", "renamed"]
    assert (filled.cloud / "old").read_bytes() == b"newer"


def test_what_was_not_uploaded_is_lost_with_the_cache(filled: DriveFS) -> None:
    """On a fresh cache there is what Drive has, and nothing is pending."""
    (filled.drive / "new").write_bytes(b"new")
    (filled.drive / "old").write_bytes(b"newer")
    filled.die()
    filled.revive(fresh=True)
    assert listed(filled.drive) == ["folder", "old"]
    assert (filled.drive / "old").read_bytes() == b"content"
    assert filled.pending() == {}


def test_an_unmounted_drive_is_an_empty_folder_on_the_vm(filled: DriveFS) -> None:
    """What is written there lands on the VM's disk, and then Drive cannot be mounted over it."""
    filled.unmount()
    assert list(filled.mountpoint.iterdir()) == []
    assert not filled.mountpoint.is_mount()
    filled.drive.mkdir()
    with pytest.raises(ValueError, match="must not already contain files"):
        filled.mount()
    filled.drive.rmdir()
    filled.mount()
    assert (filled.drive / "old").read_bytes() == b"content"


def test_a_full_vm_takes_what_fits_and_then_says_so(filled: DriveFS) -> None:
    """A short write, then ENOSPC; an upload makes room again."""
    filled.change(local_space=300_000)
    with (filled.drive / "new").open("wb", buffering=0) as stream:
        assert stream.write(bytes(400_000)) == 300_000
        assert code(lambda: stream.write(b"x")) == errno.ENOSPC
        stream.seek(0)
        assert stream.write(b"over") == 4
    assert code(write(filled.drive / "other")) == errno.ENOSPC
    filled.upload()
    assert (filled.cloud / "new").stat().st_size == 300_000
    (filled.drive / "other").write_bytes(b"x")


def test_a_folder_with_too_many_entries_fails(filled: DriveFS) -> None:
    """EIO for one entry more, and for listing what has become too big; what is in it can still be read."""
    filled.change(most_entries=2)
    assert code(write(filled.drive / "new")) == errno.EIO
    assert code((filled.drive / "new").mkdir) == errno.EIO
    (filled.drive / "folder" / "new").mkdir()
    filled.change(most_entries=1)
    assert code(lambda: listed(filled.drive)) == errno.EIO
    assert (filled.drive / "old").read_bytes() == b"content"


def test_orders_to_a_dead_drive_fail(filled: DriveFS) -> None:
    """A test that goes on after a death without noticing is told."""
    filled.die()
    with pytest.raises((RuntimeError, OSError)):
        filled.upload()
    with pytest.raises(RuntimeError, match="killed before"):
        filled.die()


def test_a_bug_of_the_stand_in_is_not_a_fault_of_drive(filled: DriveFS) -> None:
    """If the stand-in itself fails, the test that used it fails at its end."""
    with (filled.place / "log").open("a") as log:
        log.write("Traceback (most recent call last): ...\n")
    with pytest.raises(RuntimeError, match="the stand-in itself failed"):
        filled.unmount()


def test_an_upload_that_cannot_be_is_an_error(filled: DriveFS) -> None:
    """`upload` never returns with bytes still missing on Drive."""
    (filled.drive / "old").write_bytes(b"new")
    for conditions in ({"offline": True}, {"lost": {"old"}}, {"drive_space": 1}):
        filled.change(**conditions)
        with pytest.raises(NotUploaded, match="old"):
            filled.upload("old")
        filled.change(offline=False, lost=(), drive_space=None)
    filled.upload("old")
