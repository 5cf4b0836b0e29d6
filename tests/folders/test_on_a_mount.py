"""The same on a mounted Drive, where bytes are taken long before they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drivefs.fixtures import needs_fuse, new_drive_fs
from drivefs.mount import DriveFS
from folders.conftest import VM, content, write

from colab_resume.remotes.drive_mount import DriveMount

__all__ = ["needs_fuse", "new_drive_fs"]

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.xdist_group("machine")]


def test_a_folder_goes_to_drive_and_comes_back(new_drive_fs: Callable[..., DriveFS], tmp_path: Path) -> None:
    """A set is called safe when Drive has confirmed it, and old ones go without filling the trash."""
    remote = DriveMount(new_drive_fs().drive / "runs", lag=0.05)
    vm = VM(tmp_path / "first", remote, keep=2)
    vm.track()
    for number in range(4):
        write(vm.path, {"weights/last.pt": b"%d" % number * 50_000, "weights/same.pt": b"s" * 50_000, "empty": b""})
        vm.mirror()
    assert vm.folders.status[0].is_safe
    new_vm = VM(tmp_path / "second", remote)
    new_vm.track()
    assert content(new_vm.path) == content(vm.path)
    assert len(remote.list("folders/weights/sets")) == 2
    assert len(remote.list("folders/weights/files")) == 3
