"""The attributes of a file on the stand-in say truly what Drive has of it, and can be missing."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable

import pytest
from drivefs.looking import ask, state
from drivefs.mount import DriveFS

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]

Mounting = Callable[..., DriveFS]


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_the_attributes_tell_what_drive_has(drive_fs: DriveFS) -> None:
    """A local id until the first upload, then one that stays; uncommitted while bytes are pending; Drive's md5."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"old")
    assert state(file) == (True, "1")
    with pytest.raises(OSError, match="No data") as no_md5:
        ask(file, "md5")
    assert no_md5.value.errno == errno.ENODATA
    drive_fs.upload()
    assert state(file) == (False, "0")
    identity = ask(file, "id")
    assert ask(file, "md5") == md5(b"old")
    file.write_bytes(b"new")
    assert (ask(file, "id"), ask(file, "uncommitted"), ask(file, "md5")) == (identity, "1", md5(b"old"))
    file.rename(file := drive_fs.drive / "b")
    drive_fs.upload()
    assert (ask(file, "id"), ask(file, "uncommitted"), ask(file, "md5")) == (identity, "0", md5(b"new"))
    assert os.listxattr(file) == []


def test_folders_have_an_id(drive_fs: DriveFS) -> None:
    """Drive's own at once, a local one while offline; MyDrive has one too."""
    (drive_fs.drive / "online").mkdir()
    drive_fs.change(offline=True)
    (drive_fs.drive / "offline").mkdir()
    assert state(drive_fs.drive / "online") == (False, "0")
    assert state(drive_fs.drive / "offline") == (True, "0")
    drive_fs.change(offline=False)
    assert state(drive_fs.drive / "offline") == (False, "0")
    assert state(drive_fs.drive) == (False, "0")


@pytest.mark.parametrize(
    ("answers", "unanswered"),
    [
        (set(), errno.ENODATA),
        ({"id"}, errno.EOPNOTSUPP),
        ({"id", "uncommitted"}, errno.ENODATA),
        ({"md5"}, errno.ENODATA),
    ],
)
def test_only_the_chosen_attributes_answer(new_drive_fs: Mounting, answers: set[str], unanswered: int) -> None:
    """The others fail as they do where DriveFS has none."""
    fs = new_drive_fs(held=True, answers=answers, unanswered=unanswered)
    (fs.drive / "a").write_bytes(b"x")
    fs.upload()
    for attribute in ("id", "uncommitted", "md5", "pinned"):
        if attribute in answers:
            assert ask(fs.drive / "a", attribute)
        else:
            with pytest.raises(OSError, match=r"user\.drive|a'") as error:
                ask(fs.drive / "a", attribute)
            assert error.value.errno == unanswered


def test_a_lost_upload_stays_uncommitted(drive_fs: DriveFS) -> None:
    """Drive keeps the old content for ever, and the attributes say so."""
    file = drive_fs.drive / "a"
    file.write_bytes(b"old")
    drive_fs.upload()
    drive_fs.change(lost={"a"}, held=False)
    file.write_bytes(b"new")
    drive_fs.settle()
    assert drive_fs.pending() == {"a": "lost"}
    assert (ask(file, "uncommitted"), ask(file, "md5")) == ("1", md5(b"old"))
    assert (drive_fs.cloud / "a").read_bytes() == b"old"
    drive_fs.change(lost=())
    drive_fs.settle()
    assert (drive_fs.cloud / "a").read_bytes() == b"new"
