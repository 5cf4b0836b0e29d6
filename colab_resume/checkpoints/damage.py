"""How damage is reported: which file, what is wrong with it, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from ..durable import store_error
from ..errors import DamagedCheckpoint, StoreError, UsageError

__all__ = ["damaged", "flaw", "unreadable"]


def damaged(name: str, reason: str) -> DamagedCheckpoint:
    """The error that says why a file cannot be believed."""
    return DamagedCheckpoint(f"{name} is damaged: {reason}.", hint="Use another checkpoint that does not need it.")


def unreadable(path: Path, error: OSError) -> DamagedCheckpoint | StoreError:
    """What a failed read means: the bytes are gone for good, or the disk refuses just now.

    The difference matters: what is damaged is set aside, and a good checkpoint must not be because of, say, EMFILE.
    """
    if error.errno == errno.ENOENT:
        return damaged(path.name, "it is not there")
    if error.errno == errno.EIO:
        return damaged(path.name, "the disk cannot read it any more")
    return store_error(path, error)


def flaw(error: ValueError) -> str:
    """The reason in an error about a file's content, without the hint, which is meant for callers and not for files."""
    return error.what if isinstance(error, UsageError) else str(error)
