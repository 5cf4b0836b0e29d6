"""Fixtures for tests against Drive: a server whose answers must all have kept to Google's own description of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from colab_resume.testing import ManualClock

from .server import DriveServer

__all__ = ["NOON", "drive_clock", "drive_server"]

NOON = 1795176000.0


@pytest.fixture
def drive_clock() -> ManualClock:
    """The server's time; a fault's delay moves it instead of sleeping."""
    return ManualClock(NOON)


@pytest.fixture
def drive_server(drive_clock: ManualClock) -> Iterator[DriveServer]:
    """A fresh account; at the end it must have nothing to reproach itself with."""
    with DriveServer(clock=drive_clock, wait=drive_clock.wait) as server:
        yield server
    assert server.violations == []
