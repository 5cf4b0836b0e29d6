"""A mount and a server for each test, and disks for its VMs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from drive_server.fixtures import drive_clock, drive_server
from drivefs.fixtures import needs_fuse
from drivefs.mount import DriveFS

__all__ = ["disks", "drive_clock", "drive_server", "mounted", "needs_fuse"]


@pytest.fixture
def disks() -> Iterator[Path]:
    """Folders in memory where the system offers that: nothing here cuts the power, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="reliability-", dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


@pytest.fixture
def mounted(needs_fuse: None) -> Iterator[DriveFS]:
    """A Drive that nothing reaches by itself; in a short path, as on Colab, since errors show it."""
    with tempfile.TemporaryDirectory(prefix="drive-") as place, DriveFS(Path(place), held=True) as fs:
        yield fs
