"""Mounting Google Drive: only where it is not mounted, with one consent, and never for longer than it may take.

Colab mounts in the main thread only. It asks for consent at every call, even where Drive is mounted, so it is called
only where it is not; and never with `force_remount`, which kills Drive's program together with all it has to upload.
"""

from __future__ import annotations

import enum
import os
import threading
from collections.abc import Callable
from pathlib import Path

from ..background import BackgroundThread
from ..errors import RemoteUnavailable
from .asking import current
from .mount_failures import files_in_the_way, mount_failure, nobody_answered
from .mount_table import mount_point, opened
from .time_limit import TimeIsUp, time_limit

__all__ = ["CONSENT_SECONDS", "MountState", "mount_drive", "mount_state"]

CONSENT_SECONDS = 120.0
"""For which Colab waits for the user; then it waits for Drive's program."""
_PROGRAM_SECONDS = 60.0
_LOOK_SECONDS = 10.0


class MountState(enum.Enum):
    """What can be said of the place where Drive gets mounted."""

    ABSENT = "nothing is mounted"
    DEAD = "Drive's program has died"
    ANSWERS = "mounted"
    SILENT = "no answer"


def mount_drive(point: Path, *, seconds: float = CONSENT_SECONDS, look_seconds: float = _LOOK_SECONDS) -> bool:
    """Whether Drive is mounted there in the end; it is mounted only if it is not, which may take `seconds` and more.

    False where that cannot be tried: elsewhere than on Colab, and in other threads. Raises `RemoteUnavailable` or
    `RemoteRefused` if it was tried and failed, or if Drive is there and does not answer.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    state = mount_state(point, look_seconds)
    if state is MountState.ANSWERS:
        return True
    if state is MountState.SILENT:
        raise RemoteUnavailable(
            f"Drive is mounted at {point} and has not answered for {look_seconds:.0f} s",
            hint="wait a little and run the cell again; checkpoints wait on this disk until then",
        )
    try:
        from google.colab import drive
    except ImportError:
        return False
    if state is MountState.ABSENT and _has_files(point):
        raise files_in_the_way(point)
    current().say(
        f"Drive is being mounted at {point}; allow it in the window that opens; gives up after {seconds / 60:g} min"
    )
    _mount(drive.mount, point, seconds)
    if mount_state(point, look_seconds) is not MountState.ANSWERS:
        raise mount_failure(point, ValueError("mount failed: Colab says it is there, and it is not"))
    return True


def _mount(mount: Callable[..., None], point: Path, seconds: float) -> None:
    longest = seconds + _PROGRAM_SECONDS
    try:
        with time_limit(longest):
            mount(str(point), timeout_ms=round(1000 * seconds))
    except TimeIsUp:
        raise nobody_answered(point, longest) from None
    except Exception as error:
        # What its front end raises, and the child process that it watches.
        raise mount_failure(point, error) from error


def mount_state(point: Path, seconds: float = _LOOK_SECONDS) -> MountState:
    """Ask the mount itself, in another thread: one that hangs cannot be interrupted."""
    if mount_point(point) != point:
        return MountState.ABSENT
    found = [MountState.SILENT]

    def ask() -> None:
        try:
            descriptor = opened(point)
        except OSError:
            found[0] = MountState.DEAD
            return
        if descriptor is not None:
            os.close(descriptor)
        found[0] = MountState.ABSENT if descriptor is None else MountState.ANSWERS

    thread = BackgroundThread(ask, name="colab_resume look at Drive")
    thread.start()
    thread.join(seconds)
    return found[0]


def _has_files(point: Path) -> bool:
    return point.is_dir() and any(point.iterdir())
