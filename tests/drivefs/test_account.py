"""The account behind the mount: its trash, what it costs, and what other VMs see of it."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drivefs.looking import ask, listed
from drivefs.mount import DriveFS, NotUploaded

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]

Mounting = Callable[..., DriveFS]


def trashed(fs: DriveFS) -> list[int]:
    """The sizes of what lies in the trash."""
    return sorted(path.stat().st_size for path in fs.trash.iterdir())


def stored(fs: DriveFS, name: str, content: bytes) -> Path:
    """A file that Drive has."""
    path = fs.drive / name
    path.write_bytes(content)
    fs.upload(name)
    return path


def test_a_deleted_file_lies_in_the_trash_and_still_counts(drive_fs: DriveFS) -> None:
    """Its bytes are counted until the trash is emptied, and df shows it."""
    drive_fs.change(drive_space=1000)
    stored(drive_fs, "a", bytes(400)).unlink()
    assert trashed(drive_fs) == [400]
    usage = shutil.disk_usage(drive_fs.drive)
    assert (usage.total, usage.used, usage.free) == (1000, 400, 600)
    for path in drive_fs.trash.iterdir():
        path.unlink()
    assert shutil.disk_usage(drive_fs.drive).used == 0


def test_deleting_what_was_emptied_on_drive_costs_nothing(drive_fs: DriveFS) -> None:
    """Truncated, uploaded, deleted: the trash holds 0 bytes."""
    path = stored(drive_fs, "a", bytes(400))
    os.truncate(path, 0)
    drive_fs.upload()
    path.unlink()
    assert trashed(drive_fs) == [0]


def test_deleting_before_the_emptying_arrived_costs_all_of_it(drive_fs: DriveFS) -> None:
    """Truncated, deleted: what goes to the trash is what Drive had, all of its bytes."""
    path = stored(drive_fs, "a", bytes(400))
    os.truncate(path, 0)
    path.unlink()
    drive_fs.let_go()
    drive_fs.settle()
    assert trashed(drive_fs) == [400]


def test_what_never_was_on_drive_leaves_nothing_there(drive_fs: DriveFS) -> None:
    """A file deleted before its upload is in no trash."""
    (drive_fs.drive / "a").write_bytes(b"x")
    (drive_fs.drive / "a").unlink()
    drive_fs.upload()
    assert trashed(drive_fs) == []
    assert listed(drive_fs.cloud) == []


def test_overwriting_in_place_fills_no_trash(drive_fs: DriveFS) -> None:
    """Only the newest content counts."""
    stored(drive_fs, "a", bytes(400))
    stored(drive_fs, "a", bytes(300))
    assert trashed(drive_fs) == []


@pytest.mark.parametrize("gap", [True, False], ids=["at once", "with the upload"])
def test_what_a_rename_replaces_goes_to_the_trash(drive_fs: DriveFS, gap: bool) -> None:
    """With its bytes: at once, as a deletion overtakes an upload, or when the new file arrives; its id changes."""
    drive_fs.change(gap=gap)
    old = ask(stored(drive_fs, "a", bytes(400)), "id")
    (drive_fs.drive / "part").write_bytes(b"new")
    (drive_fs.drive / "part").replace(drive_fs.drive / "a")
    assert (drive_fs.drive / "a").read_bytes() == b"new"
    assert (drive_fs.cloud / "a").exists() is not gap
    assert trashed(drive_fs) == ([400] if gap else [])
    drive_fs.upload()
    assert (drive_fs.cloud / "a").read_bytes() == b"new"
    assert trashed(drive_fs) == [400]
    assert ask(drive_fs.drive / "a", "id") != old


def test_a_rename_of_what_drive_has_is_one_there(drive_fs: DriveFS) -> None:
    """Files and whole folders, with what is pending in them; nothing is uploaded or thrown away for it."""
    (drive_fs.drive / "old").mkdir()
    stored(drive_fs, "old/a", b"a")
    (drive_fs.drive / "old" / "b").write_bytes(b"b")
    (drive_fs.drive / "old").rename(drive_fs.drive / "new")
    assert listed(drive_fs.cloud / "new") == ["a"]
    assert drive_fs.pending() == {"new/b": "not yet"}
    drive_fs.upload()
    assert listed(drive_fs.cloud / "new") == ["a", "b"]
    assert listed(drive_fs.cloud) == ["new"]
    assert trashed(drive_fs) == []


def test_deletions_overtake_uploads(drive_fs: DriveFS) -> None:
    """The old file is gone from Drive while the new one is still on its way: the order on the VM is not Drive's."""
    old = stored(drive_fs, "old", b"old")
    (drive_fs.drive / "new").write_bytes(b"new")
    old.unlink()
    assert listed(drive_fs.cloud) == []


def test_a_full_drive_takes_no_upload_and_tells_nobody(drive_fs: DriveFS) -> None:
    """Write and close succeed, the file stays uncommitted, and is uploaded when there is room again."""
    stored(drive_fs, "old", bytes(700)).unlink()
    drive_fs.change(drive_space=1000, held=False)
    (drive_fs.drive / "a").write_bytes(bytes(600))
    drive_fs.settle()
    assert drive_fs.pending() == {"a": "Drive is full"}
    assert ask(drive_fs.drive / "a", "uncommitted") == "1"
    with pytest.raises(NotUploaded, match="full"):
        drive_fs.upload("a")
    for path in drive_fs.trash.iterdir():
        path.unlink()
    drive_fs.upload("a")
    assert (drive_fs.cloud / "a").stat().st_size == 600


def test_a_full_drive_takes_a_smaller_content_of_the_same_file(drive_fs: DriveFS) -> None:
    """The old content of a file does not stand in the way of its new one."""
    drive_fs.change(drive_space=1000)
    stored(drive_fs, "a", bytes(900))
    stored(drive_fs, "a", bytes(1000))
    assert shutil.disk_usage(drive_fs.drive).free == 0


def test_another_vm_sees_what_drive_has(drive_fs: DriveFS, new_drive_fs: Mounting) -> None:
    """Files, ids and folders of the first, as they are on Drive, and nothing that is pending there."""
    (drive_fs.drive / "run").mkdir()
    file = stored(drive_fs, "run/a", b"first")
    file.write_bytes(b"second")
    (drive_fs.drive / "run" / "b").write_bytes(b"pending")
    later = new_drive_fs(cloud=drive_fs.cloud)
    assert listed(later.drive / "run") == ["a"]
    assert (later.drive / "run" / "a").read_bytes() == b"first"
    assert ask(later.drive / "run" / "a", "id") == ask(file, "id")
    assert ask(later.drive / "run" / "a", "uncommitted") == "0"


def test_two_vms_see_each_others_uploads_and_deletions(drive_fs: DriveFS, new_drive_fs: Mounting) -> None:
    """New, replaced, renamed and deleted files and folders, also after they were looked at."""
    other = new_drive_fs(held=True, cloud=drive_fs.cloud)
    file = stored(drive_fs, "a", b"one")
    assert (other.drive / "a").read_bytes() == b"one"
    assert file.stat().st_size == 3
    stored(other, "a", b"the second")
    assert file.stat().st_size == 10
    assert file.read_bytes() == b"the second"
    (other.drive / "folder").mkdir()
    (other.drive / "a").rename(other.drive / "folder" / "b")
    assert listed(drive_fs.drive) == ["folder"]
    assert not file.exists()
    assert (drive_fs.drive / "folder" / "b").read_bytes() == b"the second"
    shutil.rmtree(drive_fs.drive / "folder")
    assert listed(other.drive) == []


def test_two_vms_share_no_lock(drive_fs: DriveFS, new_drive_fs: Mounting) -> None:
    """flock works within one VM, and another one gets the same lock."""
    other = new_drive_fs(cloud=drive_fs.cloud)
    file = stored(drive_fs, "a", b"x")
    with file.open("rb") as first, file.open("rb") as again, (other.drive / "a").open("rb") as elsewhere:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(elsewhere, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_rename_made_offline_replaces_what_another_vm_made(new_drive_fs: Mounting, drive_fs: DriveFS) -> None:
    """The other one's file goes to the trash with its bytes."""
    stored(drive_fs, "a", b"mine")
    other = new_drive_fs(held=True, cloud=drive_fs.cloud)
    drive_fs.change(offline=True)
    (drive_fs.drive / "a").rename(drive_fs.drive / "b")
    stored(other, "b", b"the other's")
    drive_fs.change(offline=False)
    assert (other.drive / "b").read_bytes() == b"mine"
    assert trashed(drive_fs) == [len(b"the other's")]


def test_offline_all_that_drive_had_is_known(new_drive_fs: Mounting, drive_fs: DriveFS) -> None:
    """A VM that loses its line sees the files of before, and no change of another VM."""
    stored(drive_fs, "a", b"x")
    other = new_drive_fs(cloud=drive_fs.cloud)
    other.change(offline=True)
    stored(drive_fs, "b", b"x")
    (drive_fs.drive / "a").unlink()
    assert listed(other.drive) == ["a"]
    other.change(offline=False)
    assert listed(other.drive) == ["b"]
