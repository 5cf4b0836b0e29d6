"""The second leg: rclone's mount keeps files back too, and dies in the same way."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from drivefs.looking import ask, listed
from drivefs.rclone import RcloneMount

__all__: list[str] = []

pytestmark = [pytest.mark.usefixtures("needs_fuse"), pytest.mark.root, pytest.mark.xdist_group("machine")]


def test_it_is_a_mount_of_rclone(rclone_mount: RcloneMount) -> None:
    """/proc/mounts has its type, and the attributes of Drive fail with EIO."""
    assert f" {rclone_mount.mountpoint} fuse.rclone " in Path("/proc/mounts").read_text()
    (rclone_mount.mountpoint / "a").write_bytes(b"x")
    with pytest.raises(OSError, match="Input/output") as error:
        ask(rclone_mount.mountpoint / "a", "id")
    assert error.value.errno == errno.EIO


def test_a_file_gets_to_the_backing_folder_later(tmp_path: Path) -> None:
    """Not with its close."""
    with RcloneMount(tmp_path, write_back=0.2) as mounted:
        (mounted.mountpoint / "a").write_bytes(b"content")
        assert listed(mounted.backing) == []
        mounted.settle("a", b"content")


def test_every_call_fails_after_its_death(rclone_mount: RcloneMount) -> None:
    """Transport endpoint is not connected, until it is unmounted, and then mounted anew."""
    rclone_mount.die()
    with pytest.raises(OSError, match="not connected"):
        listed(rclone_mount.mountpoint)
    rclone_mount.unmount()
    assert listed(rclone_mount.mountpoint) == []
    rclone_mount.mount()
    (rclone_mount.mountpoint / "a").write_bytes(b"x")
