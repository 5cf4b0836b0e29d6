"""Mounting Google Drive, which Colab allows in the main thread only, and for which it may ask the user."""

from __future__ import annotations

import threading
from pathlib import Path

from ..errors import RemoteUnavailable

__all__ = ["mount_drive"]

_HINT = "run drive.mount(...) in a cell; checkpoints wait on this disk until then"


def mount_drive(point: Path) -> bool:
    """Mount Drive there; False where that cannot be tried: elsewhere than on Colab, and in other threads.

    Raises `RemoteUnavailable` if it was tried and failed.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        from google.colab import drive
    except ImportError:
        return False
    try:
        drive.mount(str(point))
    except Exception as error:
        # What its front end raises, and the child process that it watches.
        raise RemoteUnavailable(f"Drive could not be mounted again at {point}: {error}", hint=_HINT) from error
    return True
