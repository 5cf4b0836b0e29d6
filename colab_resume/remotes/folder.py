"""A folder as a remote: a mounted Drive, another disk, a network share.

Promises: an object appears under its name whole or not at all, also when this process is killed in mid-write,
because it is written beside its place (`.part-...`), synced, compared with the size it should have, and renamed.
Nothing outside the folder is ever read or written. Nothing is created before the first `put`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from ..errors import NotThere, RemoteError, RemoteFull, RemoteRefused, RemoteUnavailable
from . import Entry, Receipt, Source
from .reading import blocks, reading

__all__ = ["FolderRemote", "PART", "attempt", "check_name", "is_name"]

_BLOCK = 1 << 20
PART = ".part-"
"""How the name of what is still being written begins."""

_DAY = 24 * 3600.0

_FULL = "the remote is full: delete old checkpoints or other files there (and empty its trash), then it goes on"
_DEAD = "mount it again, on Colab with drive.mount('/content/drive'); until then checkpoints wait on this disk"
_RIGHTS = "make the folder writable: mounted read-write, and shared with the right to edit"
_NAME = "this name cannot be stored there: a file or folder is in its way, or it is too long or the file too large"
_REFUSED: Mapping[int, str] = {
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), _RIGHTS),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG), _NAME),
}


def check_name(name: str) -> None:
    """Refuse what is not a relative POSIX path of plain segments."""
    if not is_name(name):
        raise RemoteRefused(
            f"{name!r} cannot be the name of a stored object",
            hint=f"use a relative path of plain segments: no '.', '..', '\\', control character or leading '{PART}'",
        )


def is_name(name: str) -> bool:
    """Whether an object may be called so."""
    # Cc: control characters and NUL. Cs: lone surrogates, how Python shows file names that are not UTF-8.
    if "\\" in name or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return False
    return all(part not in ("", ".", "..") and not part.startswith(PART) for part in name.split("/"))


def _remote_error(error: OSError, doing: str) -> RemoteError:
    what = f"cannot {doing}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RemoteFull(what, hint=_FULL)
    if error.errno == errno.ENOTCONN:
        return RemoteUnavailable(f"{what} (the mount has died)", hint=_DEAD)
    if refused := _REFUSED.get(error.errno or 0):
        return RemoteRefused(what, hint=refused)
    return RemoteUnavailable(what, hint="trying again can help; if it lasts, see whether the folder is still mounted")


@contextlib.contextmanager
def attempt(doing: str) -> Iterator[None]:
    """What the system refuses in this block becomes a `RemoteError` that says what was being done."""
    try:
        yield
    except OSError as error:
        raise _remote_error(error, doing) from error


class FolderRemote:
    """Objects are files below `root`.

    `confirms`: False where the folder takes bytes before they are safe. `clock` only dates leftovers of dead writers.
    """

    def __init__(self, root: Path, *, confirms: bool = True, clock: Callable[[], float] = time.time) -> None:
        self.confirms = confirms
        # Made absolute now: a notebook may change its working directory at any time.
        self.root = root.absolute()
        self._clock = clock
        self._root_seen = False
        self._swept: set[Path] = set()

    def __repr__(self) -> str:
        return f"FolderRemote({str(self.root)!r})"

    def list(self, folder: str) -> Sequence[Entry]:
        path = self._locate(folder) if folder else self.root
        with attempt(f"list {path}"):
            self._check_root()
            try:
                with os.scandir(path) as found:
                    entries = [entry for item in found if (entry := self._entry(folder, item))]
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(entries, key=lambda entry: entry.name)

    def put(self, name: str, source: Source) -> Receipt:
        path = self._locate(name)
        with attempt(f"store {path}"):
            self._check_root()
            _make_folder(path.parent)
            self._sweep(path.parent)
            part = path.parent / f"{PART}{secrets.token_hex(8)}"
            try:
                receipt = _write(part, name, source)
                part.replace(path)
            except BaseException:
                # The first error is the one to tell; a part that stays is swept a day later.
                with contextlib.suppress(OSError):
                    part.unlink()
                raise
            _sync_folder(path.parent)
        return receipt

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        path = self._locate(name)
        doing = f"read {path}"
        with attempt(doing):
            self._check_root()
            try:
                stream = path.open("rb", buffering=0)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise NotThere(f"{path} is not there", hint="list the folder to see what is") from error
        with stream:
            with attempt(doing):
                stream.seek(offset)
            while True:
                with attempt(doing):
                    block = stream.read(_BLOCK)
                if not block:
                    return
                # Outside the attempt: what the sink cannot take is not the remote's failure.
                sink.write(block)

    def delete(self, name: str) -> None:
        path = self._locate(name)
        with attempt(f"delete {path}"):
            self._check_root()
            # A folder is not an object, so an object of its name is not there either.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                path.unlink()

    def _locate(self, name: str) -> Path:
        check_name(name)
        path = self.root / name
        if not self._is_inside(path):
            raise RemoteRefused(f"{path} leads outside {self.root}", hint="remove the symbolic link in this path")
        return path

    def _is_inside(self, path: Path | str) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root))

    def _check_root(self) -> None:
        """A root that was there and is gone is a lost mount: it must not look like an empty remote."""
        # Asked first: another thread may make the folder just after this one did not find it.
        seen = self._root_seen
        try:
            mode = self.root.stat().st_mode
        except FileNotFoundError:
            if seen:
                raise
            return
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(self.root))
        self._root_seen = True

    def _entry(self, folder: str, item: os.DirEntry[str]) -> Entry | None:
        """None for folders, for parts, and for whatever else lies there that no object can be named."""
        if not is_name(item.name) or not item.is_file() or (item.is_symlink() and not self._is_inside(item.path)):
            return None
        try:
            size = item.stat().st_size
        except FileNotFoundError:
            return None
        return Entry(f"{folder}/{item.name}" if folder else item.name, size)

    def _sweep(self, folder: Path) -> None:
        """Once per folder: remove the parts of writers that died more than a day ago."""
        if folder in self._swept:
            return
        self._swept.add(folder)
        for part in folder.glob(f"{PART}*"):
            # Costs space, not safety: a part that vanished or may not be removed is no reason to refuse a put.
            with contextlib.suppress(OSError):
                if self._clock() - part.lstat().st_mtime > _DAY:
                    part.unlink()


def _write(part: Path, name: str, source: Source) -> Receipt:
    """Write all of `source` to the new file `part`, on the disk when this returns."""
    with reading(name):
        size = source.size
    with part.open("xb") as stream:
        for block in blocks(name, source, size):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    return Receipt(name, size)


def _make_folder(folder: Path) -> None:
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename or a new folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Many FUSE file systems do not implement fsync of a folder, and say so with one of these.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
