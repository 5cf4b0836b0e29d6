"""A Drive of its own for each test, and clients of it."""

from __future__ import annotations

from drive_server.fixtures import drive_clock, drive_server

__all__ = ["drive_clock", "drive_server"]
