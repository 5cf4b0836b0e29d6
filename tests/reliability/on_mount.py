"""Drive as a mount: files reach it when the remote waits for them, and at no other moment."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

from drivefs.mount import DriveFS, NotUploaded
from reliability.training import VM
from reliability.tripwire import Tripwire

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.remotes import Remote
from colab_resume.remotes.drive_mount import DriveMount
from colab_resume.testing import ManualClock

__all__ = ["MountPlace"]

_NUMBERS = itertools.count()
_FASTER = 60.0
"""The remote loses its patience sooner, since each look at the mount takes real time."""


@dataclass(frozen=True)
class MountSizes:
    frozen: int = 90_000
    large: int = 120_000
    small: int = 30_000


class MountPlace:
    """A run's folder on a mount that several tests share. `wire` lets a fault begin in the midst of an operation."""

    def __init__(self, fs: DriveFS) -> None:
        self.fs = fs
        self.clock = ManualClock()
        self.sizes = MountSizes()
        self.made: dict[str, list[bytes]] = {}
        self.best: Manifest | None = None
        self.vms: list[VM] = []
        self.wire = Tripwire()
        self._name = f"r{next(_NUMBERS)}"
        self._patience = ManualClock()

    def remote(self, disk: Path) -> Remote:
        return self.wire.around(DriveMount(self.fs.drive / self._name, wait=self._wait, clock=self._patience))

    def truth(self) -> Path:
        return self.fs.cloud / self._name / "run"

    def secrets(self) -> set[str]:
        return set()

    def name(self, path: str) -> str:
        """As the mount calls it."""
        return f"{self._name}/run/{path}"

    def _wait(self, seconds: float) -> None:
        """Time passes, and what can be uploaded is uploaded meanwhile."""
        self.clock.wait(seconds)
        self._patience.wait(_FASTER * seconds)
        with contextlib.suppress(NotUploaded, RuntimeError, OSError):
            self.fs.upload()
