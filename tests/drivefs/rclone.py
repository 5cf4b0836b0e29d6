"""A second opinion: a real `rclone mount`, which writes to a cache and uploads later, as Colab's DriveFS does.

It shares no line with the stand-in. It has no `user.drive.` attributes (EIO), and half an upload can be seen under its
final name.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

from drivefs.guard import Guarded

__all__ = ["RcloneMount"]

_PAUSE = 0.02


class RcloneMount:
    """`backing` is what the cloud has; a file gets there some seconds (`write_back`) after its last close."""

    def __init__(self, place: Path, *, backing: Path | None = None, write_back: float = 1.0) -> None:
        self.place = place
        self.mountpoint = place / "mount"
        self.backing = backing or place / "backing"
        self._write_back = write_back
        self._guarded: Guarded | None = None

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.unmount()

    def mount(self) -> None:
        """Mount, with what an earlier mount left in its cache."""
        for folder in (self.mountpoint, self.backing):
            folder.mkdir(parents=True, exist_ok=True)
        program = ["rclone", "mount", "--config", os.devnull, "--cache-dir", str(self.place / "cache")]
        program += ["--vfs-cache-mode", "writes", "--vfs-write-back", f"{self._write_back}s"]
        program += [str(self.backing.absolute()), str(self.mountpoint.absolute())]
        with (self.place / "log").open("ab") as log:
            self._guarded = Guarded("drivefs.guard", self.mountpoint, *program, log=log, give=())
        try:
            self._wait(self.mountpoint.is_mount, 20.0)
        except BaseException:
            self.unmount()
            raise

    def unmount(self) -> None:
        """What was not uploaded waits in the cache for a next mount."""
        if self._guarded is not None:
            self._guarded.end()
            self._guarded = None

    def die(self) -> None:
        """SIGKILL: the mount stays, and every call on it fails with ENOTCONN."""
        if self._guarded is None:
            raise RuntimeError("there is no mount that could die")
        self._guarded.kill_server()

    def settle(self, name: str, content: bytes, seconds: float = 10.0) -> None:
        """Wait until the backing folder has this file with this content."""
        path = self.backing / name
        self._wait(lambda: path.is_file() and path.read_bytes() == content, seconds)

    def _wait(self, done: Callable[[], bool], seconds: float) -> None:
        """rclone does not tell when it is ready, so it is looked at again and again."""
        for _ in range(int(seconds / _PAUSE)):
            if done():
                return
            select.select([], [], [], _PAUSE)
        raise subprocess.TimeoutExpired("rclone", seconds, (self.place / "log").read_bytes())
