"""Stands for `google.colab.drive`: a folder of the user's choice appears where Drive would be mounted.

The choice is remembered, so the user is asked once on each machine; `force_remount=True` asks again.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import UsageError
from ..asking import current
from ..choices import Choices
from ..storage import DRIVE_CHOICE

__all__ = ["flush_and_unmount", "mount"]

_NAMES = ("MyDrive", "My Drive")
"""Both lead to it on Colab; older notebooks write the second."""
_mounted: list[Path] = []


def mount(
    mountpoint: str,
    force_remount: bool = False,
    timeout_ms: int = 120000,  # noqa: ARG001 - the signature is Colab's; nothing here waits
    readonly: bool = False,
) -> None:
    """Let `<mountpoint>/MyDrive` lead to the folder that stands for Drive."""
    if " " in mountpoint:
        raise ValueError("Mountpoint must not contain a space.")
    if readonly:
        raise UsageError(
            "a folder that stands for Drive cannot be mounted for reading only", hint="leave readonly=True out"
        )
    point = Path(mountpoint).expanduser().absolute()
    folder = _folder(again=force_remount)
    _link(point, folder)
    if point not in _mounted:
        _mounted.append(point)
    current().say(f"Mounted at {mountpoint}: {folder} stands for Google Drive")


def flush_and_unmount(timeout_ms: int = 24 * 60 * 60 * 1000) -> None:  # noqa: ARG001 - the signature is Colab's
    """Take the links away; nothing waits to be uploaded, and the folder stays as it is."""
    if not _mounted:
        current().say("Drive not mounted, so nothing to flush and unmount.")
    while _mounted:
        point = _mounted.pop()
        for link in (point / name for name in _NAMES):
            if link.is_symlink():
                link.unlink()


def _folder(*, again: bool) -> Path:
    choices = Choices()
    known = choices.get(DRIVE_CHOICE)
    if known is not None and Path(known).is_dir() and not again:
        return Path(known)
    proposed = Path(known) if known is not None else Path.home() / "MyDrive"
    folder = (
        current()
        .folder("there is no Google Drive here; which folder is to stand for it?", proposed=proposed)
        .absolute()
    )
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot stand for Drive: {error.strerror or error}",
            hint="call drive.mount(...) again and choose a folder that is there, or one to be made in such a folder",
        ) from error
    choices.keep(DRIVE_CHOICE, str(folder))
    return folder


def _link(point: Path, folder: Path) -> None:
    try:
        point.mkdir(parents=True, exist_ok=True)
        for link in (point / name for name in _NAMES):
            if link.is_symlink():
                link.unlink()
            link.symlink_to(folder, target_is_directory=True)
    except FileExistsError as error:
        raise UsageError(
            f"nothing can stand for Drive at {point}: something else is there",
            hint=f"move {error.filename2 or error.filename or point} elsewhere, or use another mountpoint",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{point} cannot be made: {error.strerror or error}",
            hint=f"in a terminal: sudo install -d -o $USER {point}; or drive.mount('{Path.home() / 'drive'}') and "
            "paths below it",
        ) from error
