"""The fixtures of this folder's own tests."""

from __future__ import annotations

import pytest
from drive_server.fixtures import drive_clock, drive_server
from drive_server.server import DriveServer
from drive_server.wire import Wire

__all__ = ["drive_clock", "drive_server", "wire"]


@pytest.fixture
def wire(drive_server: DriveServer) -> Wire:
    """Requests to the test's server."""
    return Wire(drive_server)
