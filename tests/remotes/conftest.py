"""The stand-ins that the remotes are tried on."""

from __future__ import annotations

from drivefs.fixtures import drive_fs, needs_fuse, new_drive_fs, rclone_mount

__all__ = ["drive_fs", "needs_fuse", "new_drive_fs", "rclone_mount"]
