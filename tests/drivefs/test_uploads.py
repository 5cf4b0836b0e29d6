"""The stand-in keeps a file on the VM at once and on Drive later, as DriveFS does, and says truly which it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from drivefs.conditions import Conditions
from drivefs.looking import listed
from drivefs.mount import DriveFS, NotUploaded

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]

Mounting = Callable[..., DriveFS]


def test_it_looks_like_drive_on_colab(drive_fs: DriveFS) -> None:
    """The mount is of the type that Colab's has, and holds MyDrive, also by its name with a space."""
    (line,) = [line for line in Path("/proc/mounts").read_text().splitlines() if str(drive_fs.mountpoint) in line]
    assert line.split()[:3] == ["drive", str(drive_fs.mountpoint), "fuse.drive"]
    assert listed(drive_fs.mountpoint) == ["MyDrive"]
    (drive_fs.drive / "a").write_bytes(b"x")
    assert (drive_fs.mountpoint / "My Drive" / "a").read_bytes() == b"x"
    with pytest.raises(OSError, match="Operation not supported"):
        (drive_fs.mountpoint / "beside").mkdir()


def test_a_write_is_on_the_vm_at_once_and_on_drive_after_the_upload(drive_fs: DriveFS) -> None:
    """What was written, synced and closed can be read, and is not on Drive until the upload."""
    file = drive_fs.drive / "a"
    with file.open("wb") as stream:
        stream.write(b"content")
        os.fsync(stream.fileno())
    assert file.read_bytes() == b"content"
    assert listed(drive_fs.cloud) == []
    drive_fs.upload()
    assert (drive_fs.cloud / "a").read_bytes() == b"content"


def test_an_upload_can_be_of_one_file(drive_fs: DriveFS) -> None:
    """The other one stays pending; an absent name is an error."""
    (drive_fs.drive / "run").mkdir()
    for name in ("run/a", "run/b"):
        (drive_fs.drive / name).write_bytes(b"x")
    drive_fs.upload("run/b")
    assert listed(drive_fs.cloud / "run") == ["b"]
    assert drive_fs.pending() == {"run/a": "not yet"}
    with pytest.raises(RuntimeError, match="run/c"):
        drive_fs.upload("run/c")


def test_a_file_that_is_overwritten_keeps_its_old_content_on_drive(drive_fs: DriveFS) -> None:
    """In place, in part, or from nothing: Drive has the old bytes until all the new ones are there."""
    file, there = drive_fs.drive / "a", drive_fs.cloud / "a"
    file.write_bytes(b"old content")
    drive_fs.upload()
    with file.open("r+b") as stream:
        stream.write(b"NEW")
    assert (file.read_bytes(), there.read_bytes()) == (b"NEW content", b"old content")
    file.write_bytes(b"newer")
    assert (file.read_bytes(), there.read_bytes()) == (b"newer", b"old content")
    with file.open("ab") as stream:
        stream.write(b" still")
    os.truncate(file, 8)
    drive_fs.upload()
    assert file.read_bytes() == there.read_bytes() == b"newer st"


def test_a_file_open_for_writing_is_not_uploaded(drive_fs: DriveFS) -> None:
    """Neither when it is asked for nor in the background; a reader does not keep it back."""
    file = drive_fs.drive / "log"
    with file.open("wb", buffering=0) as stream:
        stream.write(b"line")
        with pytest.raises(NotUploaded, match="open for writing"):
            drive_fs.upload()
        drive_fs.let_go()
        drive_fs.settle()
        assert listed(drive_fs.cloud) == []
    with file.open("rb"):
        drive_fs.settle()
        assert (drive_fs.cloud / "log").read_bytes() == b"line"


def test_a_closed_copy_of_a_descriptor_does_not_end_the_writing(drive_fs: DriveFS) -> None:
    """Whoever writes on after that, be it after an upload, writes to the VM's file and never to Drive's."""
    with (drive_fs.drive / "log").open("wb", buffering=0) as stream:
        stream.write(b"one")
        os.close(os.dup(stream.fileno()))
        drive_fs.upload()
        stream.write(b" two")
        assert (drive_fs.cloud / "log").read_bytes() == b"one"
        with pytest.raises(NotUploaded, match="open for writing"):
            drive_fs.upload()
    drive_fs.upload()
    assert (drive_fs.cloud / "log").read_bytes() == b"one two"


def test_readers_see_what_is_written_after_they_opened(drive_fs: DriveFS) -> None:
    """A descriptor opened before an uploaded file is written to is not left with the old bytes."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"old")
    drive_fs.upload()
    with file.open("rb", buffering=0) as reader, file.open("r+b", buffering=0) as writer:
        writer.write(b"new")
        assert reader.read() == b"new"
    assert (drive_fs.cloud / "a").read_bytes() == b"old"


def test_hold_and_let_go_are_in_force_when_they_return(new_drive_fs: Mounting) -> None:
    """Held, nothing leaves the VM; let go, it does without being asked."""
    fs = new_drive_fs()
    (fs.drive / "a").write_bytes(b"a")
    fs.settle()
    fs.hold()
    (fs.drive / "b").write_bytes(b"b")
    assert listed(fs.cloud) == ["a"]
    fs.let_go()
    fs.settle()
    assert listed(fs.cloud) == ["a", "b"]
    assert fs.pending() == {}


@pytest.mark.parametrize("slow", [{"delay": 600.0}, {"rate": 10.0}], ids=["delay", "rate"])
def test_uploads_take_their_time(new_drive_fs: Mounting, slow: dict[str, float]) -> None:
    """Minutes after the close, or as slow as the line, never half of it; and at once when the line gets better."""
    fs = new_drive_fs(**slow)
    (fs.drive / "a").write_bytes(bytes(10_000))
    with pytest.raises(NotUploaded):
        fs.settle(0.1)
    assert listed(fs.cloud) == []
    fs.change(delay=0.0, rate=10_000_000.0)
    fs.settle()
    assert (fs.cloud / "a").stat().st_size == 10_000


def test_offline_nothing_reaches_drive_and_then_everything_in_order(drive_fs: DriveFS) -> None:
    """New folders, renames and deletions wait as well, and are done in the order in which they were made."""
    for name in ("moved", "deleted", "replaced"):
        (drive_fs.drive / name).write_bytes(name.encode())
    drive_fs.upload()
    drive_fs.change(offline=True)
    (drive_fs.drive / "folder").mkdir()
    (drive_fs.drive / "moved").rename(drive_fs.drive / "folder" / "moved")
    (drive_fs.drive / "deleted").unlink()
    (drive_fs.drive / "new").write_bytes(b"new")
    (drive_fs.drive / "new").replace(drive_fs.drive / "replaced")
    with pytest.raises(NotUploaded, match="offline"):
        drive_fs.upload()
    assert listed(drive_fs.cloud) == ["deleted", "moved", "replaced"]
    assert (drive_fs.drive / "folder" / "moved").read_bytes() == b"moved"
    drive_fs.change(offline=False)
    assert listed(drive_fs.cloud) == ["folder"]
    drive_fs.upload()
    assert (drive_fs.cloud / "replaced").read_bytes() == b"new"
    assert listed(drive_fs.drive) == ["folder", "replaced"]


def test_what_changes_during_its_upload_is_uploaded_anew(new_drive_fs: Mounting) -> None:
    """A transfer under way when the file changes never arrives; the new content does."""
    fs = new_drive_fs(rate=1000.0)
    (fs.drive / "a").write_bytes(b"a" * 100_000)
    (fs.drive / "a").write_bytes(b"bb")
    fs.settle()
    assert (fs.cloud / "a").read_bytes() == b"bb"


def test_eight_writers_and_the_background(new_drive_fs: Mounting) -> None:
    """Many files of many threads arrive whole while others are being written, renamed and deleted."""
    fs = new_drive_fs()

    def write(thread: int) -> None:
        folder = fs.drive / f"{thread}"
        folder.mkdir()
        for number in range(6):
            (folder / "part").write_bytes(f"{number}".encode() * 5000)
            (folder / "part").rename(folder / f"{number}")
            (folder / "0").unlink(missing_ok=True)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fs.settle()
    assert fs.pending() == {}
    for folder in range(8):
        found = {file.name: file.read_bytes() for file in (fs.cloud / f"{folder}").iterdir()}
        assert found == {f"{number}": f"{number}".encode() * 5000 for number in range(1, 6)}


@pytest.mark.parametrize(
    "wrong", [{"eio": {"reed"}}, {"eio": "read"}, {"answers": {"size"}}, {"latency": {"x": 1}}, {"unanswered": 5}]
)
def test_conditions_that_nothing_would_obey_are_refused(wrong: dict[str, object]) -> None:
    """A misspelt fault is an error, not a test that proves nothing."""
    with pytest.raises((TypeError, ValueError)):
        Conditions(**wrong)  # type: ignore[arg-type]
