"""From what a user writes, a folder, a URL or `drive:folder`, to the remote that is meant."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..colab.place import is_drive
from ..colab.storage import FOLDER
from ..errors import UsageError
from . import Remote

__all__ = ["DRIVE_FOLDER", "open_remote"]

DRIVE_FOLDER = FOLDER
"""The folder on Drive that is meant if none is named."""

# One slash is enough: Path("s3://bucket") has become "s3:/bucket" before it arrives here.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_DRIVE = "drive:"


def open_remote(where: str | Path, *, credentials: str | Path | None = None, sessions: Path | None = None) -> Remote:
    """The remote at a folder's path, at a URL that fsspec knows, such as `s3://bucket/folder`, or on Drive by its API:
    `drive:folder`, which alone takes `credentials`, the JSON file of a service account or of an authorized user.

    On a mounted Drive the folder is made at once; elsewhere nothing is created before the first `put`.
    """
    from .drive_mount import DriveMount, uploads_later
    from .folder import FolderRemote

    text = str(where)
    if not text or "\0" in text:
        raise UsageError(f"{text!r} is no folder", hint="give the path of a folder, as '/content/drive/MyDrive/runs'")
    if text.startswith(_DRIVE):
        return _open_drive(text.removeprefix(_DRIVE), credentials, sessions)
    if credentials is not None:
        raise UsageError("only drive:FOLDER takes credentials", hint="leave them out, or use as 'drive:colab_resume'")
    if _URL.match(text):
        return _open_url(text)
    path = Path(where).absolute()
    return DriveMount(path) if is_drive(path) or uploads_later(path) else FolderRemote(path)


def _open_drive(folder: str, credentials: str | Path | None, sessions: Path | None) -> Remote:
    from .drive_api import DriveAPI

    given = credentials or os.environ.get("COLAB_RESUME_CREDENTIALS") or None
    root_url = os.environ.get("COLAB_RESUME_DRIVE_URL") or "https://www.googleapis.com/"
    return DriveAPI(folder or DRIVE_FOLDER, credentials=given, root_url=root_url, sessions=sessions)


def _open_url(url: str) -> Remote:
    from .filesystem import open_filesystem

    if "://" not in url:
        hint = "give it as a text: a Path writes '//' as '/'"
        raise UsageError(f"{url!r} is neither a folder nor a whole URL", hint=hint)
    return open_filesystem(url)
