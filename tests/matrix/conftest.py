"""Where the VMs' disks and the remote lie."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__: list[str] = []


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where the system offers that: to a killed process it is a disk, and fsync takes no time."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="matrix-", dir=shared if shared.is_dir() else None) as name:
        yield Path(name)
