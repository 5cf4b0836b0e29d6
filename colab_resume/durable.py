"""Files that survive a power cut: a name appears only with its whole content, and once announced it stays.

`write_durably` is the only way this package puts a file on the VM's own disk: a temporary name, fsync, rename,
fsync of the folder. Whatever the disk refuses comes out as `StoreError`.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from .errors import StoreError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "DurableSink",
    "TEMPORARY",
    "as_store_error",
    "fsync_folder",
    "is_full",
    "make_folder",
    "publish",
    "store_error",
    "write_durably",
]

TEMPORARY = "tmp-"
"""How the names of unfinished files begin; whoever owns a folder may remove them when nobody is writing."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_Result = TypeVar("_Result")


def write_durably(path: Path, write: Callable[[BinaryIO], _Result], *, onto: Path | None = None) -> _Result:
    """Call `write` with an open file that becomes `path`, whole and on disk, or does not appear at all.

    The file is new, or the one called `onto`, in the same folder, with all that it still holds.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}")
    try:
        with as_store_error(path):
            if onto is not None:
                onto.rename(temporary)
            with temporary.open("xb" if onto is None else "r+b") as sink:
                result = write(sink)
                publish(sink, temporary, path)
    finally:
        # A disk that has just failed may refuse this too; the owner of the folder removes leftovers later.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return result


def publish(sink: BinaryIO, temporary: Path, path: Path) -> None:
    """Give the finished file its final name, in the order that a power cut cannot tear."""
    sink.flush()
    os.fsync(sink.fileno())
    temporary.replace(path)
    fsync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Create a folder and the missing ones above it; a new folder, too, is lost unless its parent is synced."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable: what was renamed into it stays, what was unlinked stays away."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class DurableSink(io.FileIO):
    """A file whose writer is foreign code: it says `StoreError` itself, lest a full disk be taken for a bad line."""

    def write(self, data: ReadableBuffer, /) -> int:
        with as_store_error(Path(os.fsdecode(self.name))):
            return super().write(data)


@contextmanager
def as_store_error(path: Path) -> Iterator[None]:
    """Let whatever the disk refuses about `path` come out as `StoreError`."""
    try:
        yield
    except OSError as error:
        raise store_error(path, error) from error


def is_full(error: StoreError) -> bool:
    """Whether what the disk refused was room."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def store_error(path: Path, error: OSError) -> StoreError:
    """What the disk's refusal means, with the thing to do."""
    if error.errno in _FULL:
        hint = "Free space on this disk, or keep fewer checkpoints; training goes on meanwhile."
    else:
        hint = "Check that this disk is mounted, writable and healthy."
    return StoreError(f"The disk refused {path}: {error.strerror or error}.", hint=hint)
