"""Programs can work on the stand-in as on any file system, but for what DriveFS does not offer either."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
from collections.abc import Callable

import pytest
import torch
from drivefs.looking import listed
from drivefs.mount import DriveFS

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]


def test_a_torch_checkpoint_of_16_mb(drive_fs: DriveFS) -> None:
    """It can be saved, replaced, copied both ways with its times, mapped into memory, and deleted with its folder."""
    drive = drive_fs.drive
    weights = torch.arange(4 << 20, dtype=torch.float32)
    (drive / "run" / "deep").mkdir(parents=True)
    for name in ("a", "part"):
        torch.save({"w": weights}, drive / "run" / name)
    os.replace(drive / "run" / "part", drive / "run" / "a")  # noqa: PTH105 - what programs call
    drive_fs.upload()
    assert torch.equal(torch.load(drive_fs.cloud / "run" / "a")["w"], weights)
    assert torch.equal(torch.load(drive / "run" / "a", mmap=True)["w"], weights)
    local = drive_fs.place / "local"
    shutil.copy2(drive / "run" / "a", local)
    shutil.copy2(local, drive / "run" / "deep" / "copy")
    assert (drive / "run" / "deep" / "copy").stat().st_mtime_ns == local.stat().st_mtime_ns
    shutil.rmtree(drive / "run")
    assert listed(drive) == listed(drive_fs.cloud) == []


def test_what_drive_cannot_do(drive_fs: DriveFS) -> None:
    """Neither symbolic nor hard links: Operation not supported; and MyDrive stays where it is."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"x")
    actions: list[Callable[[], object]] = [
        lambda: (drive_fs.drive / "b").symlink_to("a"),
        lambda: (drive_fs.drive / "b").hardlink_to(file),
        drive_fs.drive.rmdir,
        lambda: drive_fs.drive.rename(drive_fs.mountpoint / "b"),
    ]
    for action in actions:
        with pytest.raises(OSError, match="not supported") as error:
            action()
        assert error.value.errno == errno.EOPNOTSUPP


@pytest.mark.parametrize("uploaded", [False, True], ids=["pending", "uploaded"])
def test_a_file_deleted_or_replaced_while_open_can_still_be_used(drive_fs: DriveFS, uploaded: bool) -> None:
    """Its descriptor reads and writes; nobody else sees it, and Drive and its trash get none of it."""
    drive = drive_fs.drive
    for name in ("deleted", "replaced"):
        (drive / name).write_bytes(b"content")
    if uploaded:
        drive_fs.upload()
    with (drive / "deleted").open("r+b", buffering=0) as first, (drive / "replaced").open("r+b", buffering=0) as second:
        (drive / "deleted").unlink()
        (drive / "new").write_bytes(b"new")
        (drive / "new").replace(drive / "replaced")
        for stream in (first, second):
            stream.write(b"CON")
            stream.seek(0)
            assert stream.read() == b"CONtent"
            assert os.fstat(stream.fileno()).st_size == 7
        assert listed(drive) == ["replaced"]
        assert (drive / "replaced").read_bytes() == b"new"
    drive_fs.upload()
    assert listed(drive_fs.cloud) == ["replaced"]
    assert [path.read_bytes() for path in drive_fs.trash.iterdir()] == [b"content"] * 2 * uploaded


def test_times_and_modes_are_kept(drive_fs: DriveFS) -> None:
    """Set ones also by the upload, and a touch means now."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"x")
    os.utime(file, ns=(10**18, 10**18 + 1))
    file.chmod(0o640)
    drive_fs.upload()
    for path in (file, drive_fs.cloud / "a"):
        assert (path.stat().st_mtime_ns, path.stat().st_mode & 0o777) == (10**18 + 1, 0o640)
    local = drive_fs.place / "now"
    local.touch()
    file.touch()
    assert file.stat().st_mtime_ns >= local.stat().st_mtime_ns
    assert file.stat().st_nlink == 1


def test_appending_holes_and_mapping(drive_fs: DriveFS) -> None:
    """Two appenders, a write behind the end, and a change through a mapping, on a file that Drive has."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"0")
    drive_fs.upload()
    with file.open("ab", buffering=0) as one, file.open("ab", buffering=0) as two:
        one.write(b"1")
        two.write(b"2")
    with file.open("r+b") as stream:
        stream.seek(5)
        stream.write(b"5")
        stream.flush()
        with mmap.mmap(stream.fileno(), 0) as mapped:
            mapped[3:5] = b"34"
    assert file.read_bytes() == b"012345"
    drive_fs.upload()
    assert (drive_fs.cloud / "a").read_bytes() == b"012345"


def test_the_usual_refusals(drive_fs: DriveFS) -> None:
    """What is absent, there already, not empty, a folder or not one, is refused as anywhere."""
    drive = drive_fs.drive
    (drive / "folder").mkdir()
    (drive / "folder" / "a").write_bytes(b"x")
    (drive / "b").write_bytes(b"x")
    with pytest.raises(FileNotFoundError):
        (drive / "none").read_bytes()
    with pytest.raises(FileExistsError):
        (drive / "folder").mkdir()
    with pytest.raises(FileExistsError):
        (drive / "b").open("xb")
    with pytest.raises(OSError, match="not empty"):
        (drive / "folder").rmdir()
    with pytest.raises(IsADirectoryError):
        (drive / "b").rename(drive / "folder")
    with pytest.raises(NotADirectoryError):
        (drive / "b" / "below").read_bytes()
    with pytest.raises(FileNotFoundError):
        listed(drive_fs.mountpoint / "Elsewhere")


def test_odd_names(drive_fs: DriveFS) -> None:
    """Other scripts and bytes that are no text are names too."""
    for name in ("日本語 🐑", "a'b\"c", "tab\t", os.fsdecode(b"\xff\xfe")):
        (drive_fs.drive / name).write_bytes(b"x")
        drive_fs.upload()
        assert (drive_fs.cloud / name).read_bytes() == b"x"
