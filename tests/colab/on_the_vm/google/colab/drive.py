"""Mounting Drive: every call asks the front end first, also when Drive is mounted already.

Colab's tests of the paths are used as they are: those of `os.path` say False where the mount is dead, pathlib's raise.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from google.colab import _message

__all__ = ["flush_and_unmount", "mount"]

_TIMED_OUT = (
    "mount failed: timeout during initial read of root folder; for more info: "
    "https://research.google.com/colaboratory/faq.html#drive-timeout"
)


def mount(mountpoint: str, force_remount: bool = False, timeout_ms: int = 120000, readonly: bool = False) -> None:
    """Mount your Google Drive at the specified mountpoint path."""
    if not Path("/var/colab/hostname").exists():
        raise NotImplementedError(
            "Mounting drive is unsupported in this environment. Use PyDrive instead. See examples at "
            "https://colab.research.google.com/notebooks/io.ipynb#scrollTo=7taylj9wpsA2."
        )
    if " " in mountpoint:
        raise ValueError("Mountpoint must not contain a space.")
    if os.environ.get("VERTEX_PRODUCT") == "COLAB_ENTERPRISE":
        raise NotImplementedError("google.colab.drive is not supported in Colab Enterprise.")
    answer = _message.blocking_request(
        "request_auth", request={"authType": "dfs_ephemeral"}, timeout_sec=timeout_ms // 1000
    )
    mountpoint = os.path.expanduser(mountpoint)
    if os.path.isdir(os.path.join(mountpoint, "My Drive")) and not force_remount:
        print(
            f"Drive already mounted at {mountpoint}; to attempt to forcibly remount, "
            f'call drive.mount("{mountpoint}", force_remount=True).'
        )
        return
    os.environ["TBE_EPHEM_CREDS_ADDR"]
    _mount(mountpoint, agreed=answer is not None, readonly=readonly)
    print(f"Mounted at {mountpoint}")


def _mount(mountpoint: str, *, agreed: bool, readonly: bool) -> None:
    # The one before is unmounted and killed, whatever it still had to upload.
    _message.ask_desk("unmount")
    _check(mountpoint)
    if not agreed:
        raise ValueError("mount failed")
    Path(mountpoint).mkdir(exist_ok=True)
    answer = _message.ask_desk("mount", mountpoint=mountpoint, readonly=readonly)
    if "error" in answer:
        raise ValueError("mount failed")
    try:
        os.listdir(f"{mountpoint}/MyDrive")
    except OSError as error:
        raise ValueError(_TIMED_OUT) from error


def _check(mountpoint: str) -> None:
    if os.path.islink(mountpoint):
        raise ValueError("Mountpoint must not be a symlink")
    if os.path.isdir(mountpoint) and os.listdir(mountpoint):
        raise ValueError("Mountpoint must not already contain files")
    if not os.path.isdir(mountpoint) and os.path.exists(mountpoint):
        raise ValueError("Mountpoint must either be a directory or not exist")
    if not os.path.exists(os.path.dirname(os.path.normpath(mountpoint))):
        raise ValueError("Mountpoint must be in a directory that exists")


def flush_and_unmount(timeout_ms: int = 24 * 60 * 60 * 1000) -> None:
    """Unmount Google Drive and flush any outstanding writes to it."""
    if Path("/var/colab/mp").exists():
        raise NotImplementedError("google.colab.drive is unsupported in this environment.")
    if b"type fuse.drive" not in subprocess.check_output(["/bin/mount"]):
        print("Drive not mounted, so nothing to flush and unmount.")
        return
    if "error" in _message.ask_desk("flush", seconds=timeout_ms / 1000):
        raise ValueError("flush_and_unmount failed")
