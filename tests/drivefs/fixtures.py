"""Mounts for tests: each is gone when its test ends. Tests that ask for one are marked `root` and share `machine`."""

from __future__ import annotations

import ctypes.util
import importlib.util
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from drivefs.mount import DriveFS
from drivefs.rclone import RcloneMount

__all__ = ["drive_fs", "needs_fuse", "new_drive_fs", "rclone_mount"]


@pytest.fixture(scope="session")
def needs_fuse() -> None:
    """Skips where this machine lacks what the mounts are made of."""
    there = {
        "/dev/fuse": Path("/dev/fuse").exists(),
        "libfuse3": ctypes.util.find_library("fuse3"),
        "mfusepy": importlib.util.find_spec("mfusepy"),
        "rclone": shutil.which("rclone"),
    }
    if missing := [name for name, found in there.items() if not found]:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.fixture
def new_drive_fs(needs_fuse: None, tmp_path: Path) -> Iterator[Callable[..., DriveFS]]:
    """Mounts a Drive with the given conditions; with `cloud=`, that of another one on a further VM."""
    with ExitStack() as mounts:

        def mount(**options: Any) -> DriveFS:
            place = tmp_path / f"vm-{sum(1 for _ in tmp_path.glob('vm-*'))}"
            place.mkdir()
            return mounts.enter_context(DriveFS(place, **options))

        yield mount


@pytest.fixture
def drive_fs(new_drive_fs: Callable[..., DriveFS]) -> DriveFS:
    """A mounted Drive whose uploads are held until the test says so."""
    return new_drive_fs(held=True)


@pytest.fixture
def rclone_mount(needs_fuse: None, tmp_path: Path) -> Iterator[RcloneMount]:
    """A folder mounted by rclone."""
    with RcloneMount(tmp_path) as mounted:
        yield mounted
