"""The folder remote keeps its contract on a mounted Drive, the stand-in as well as rclone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract_remote import RemoteContract
from drivefs.mount import DriveFS
from drivefs.rclone import RcloneMount

from colab_resume.remotes import Remote
from colab_resume.remotes.folder import FolderRemote

__all__: list[str] = []

pytestmark = [pytest.mark.root, pytest.mark.xdist_group("machine")]

FOLDERS = itertools.count()


@pytest.fixture(scope="module")
def on_drivefs(needs_fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One mount for all tests."""
    with DriveFS(tmp_path_factory.mktemp("drive")) as fs:
        yield fs.drive


@pytest.fixture(scope="module")
def on_rclone(needs_fuse: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One mount for all tests."""
    with RcloneMount(tmp_path_factory.mktemp("rclone")) as fs:
        yield fs.mountpoint


class OnAMount(RemoteContract):
    """A folder for each test, and a second client of the same mount."""

    @pytest.fixture
    def other(self, remote: FolderRemote) -> Remote:
        return FolderRemote(remote.root)


class TestOnDriveFS(OnAMount):
    @pytest.fixture
    def remote(self, on_drivefs: Path) -> Remote:
        return FolderRemote(on_drivefs / f"run-{next(FOLDERS)}")


class TestOnRclone(OnAMount):
    @pytest.fixture
    def remote(self, on_rclone: Path) -> Remote:
        return FolderRemote(on_rclone / f"run-{next(FOLDERS)}")
