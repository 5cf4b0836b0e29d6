"""The file system calls of the stand-in: which faults come first, and which file each call is about.

The mount holds the folder `MyDrive`, also by the name `My Drive`, and nothing else can be made beside it.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from drivefs.account import id_of
from drivefs.busy import Busy
from drivefs.cache import Cache
from drivefs.conditions import CHANGING
from drivefs.uploads import Uploads
from mfusepy import FuseOSError, Operations

__all__ = ["DriveOperations"]

_HOME = ("MyDrive", "My Drive")
_PREFIX = "user.drive."
_KEPT = ("st_gid", "st_mode", "st_size", "st_uid", "st_blocks", "st_ino")
_NOW, _OMIT = (1 << 30) - 1, (1 << 30) - 2  # UTIME_NOW, UTIME_OMIT


class DriveOperations(Operations):  # type: ignore[misc]
    """No attribute may be called as a call of FUSE (`lock`): the library would take it for one."""

    use_ns = True

    def __init__(self, cache: Cache, uploads: Uploads, begin: Callable[[], None]) -> None:
        self._cache = cache
        self._uploads = uploads
        self._begin = begin
        self._handles: dict[int, Busy | None] = {}
        """Who may write through an open descriptor; the descriptor is the handle."""

    def init(self, path: str) -> None:
        self._begin()

    @contextmanager
    def _doing(self, operation: str) -> Iterator[None]:
        if seconds := self._uploads.conditions.latency.get(operation):
            self._uploads.pause(seconds)
        with self._uploads.changed:
            conditions = self._uploads.conditions
            if operation in conditions.eio:
                raise FuseOSError(errno.EIO)
            if conditions.erofs and operation in CHANGING:
                raise FuseOSError(errno.EROFS)
            yield

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, Any]:
        with self._doing("getattr"):
            found = os.fstat(fh or 0) if path is None else self._cache.path(_name(path)).lstat()
        times = {f"st_{which}time": getattr(found, f"st_{which}time_ns") for which in "acm"}
        # A clean file has a second link that is not on the mount.
        return {name: getattr(found, name) for name in _KEPT} | times | {"st_nlink": 1}

    def readdir(self, path: str, fh: int) -> list[str]:
        with self._doing("readdir"):
            if path == "/":
                return [".", "..", _HOME[0]]
            names = self._cache.names(_name(path))
            most = self._uploads.conditions.most_entries
            if most is not None and len(names) > most:
                raise FuseOSError(errno.EIO)
            return [".", "..", *names]

    def _check_room(self, name: str) -> None:
        most = self._uploads.conditions.most_entries
        if most is not None and len(self._cache.names(name.rpartition("/")[0])) >= most:
            raise FuseOSError(errno.EIO)

    def statfs(self, path: str) -> dict[str, int]:
        with self._doing("statfs"):
            found = os.statvfs(self._cache.account.cloud)
            names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_namemax")
            told = {name: getattr(found, name) for name in names}
            if (space := self._uploads.conditions.drive_space) is not None:
                free = max(0, space - self._cache.account.used())
                told |= {"f_bsize": 1, "f_frsize": 1, "f_blocks": space, "f_bfree": free, "f_bavail": free}
            return told

    def mkdir(self, path: str, mode: int) -> None:
        with self._doing("mkdir"):
            name = _changeable(path)
            self._check_room(name)
            self._cache.make_folder(name, mode)

    def rmdir(self, path: str) -> None:
        with self._doing("rmdir"):
            self._cache.remove_folder(_changeable(path))

    def unlink(self, path: str) -> None:
        with self._doing("unlink"):
            self._cache.remove(_changeable(path))

    def rename(self, old: str, new: str) -> None:
        with self._doing("rename"):
            self._cache.rename(_changeable(old), _changeable(new), gap=self._uploads.conditions.gap)

    def symlink(self, target: str, source: str) -> None:
        raise FuseOSError(errno.EOPNOTSUPP)

    def link(self, target: str, source: str) -> None:
        raise FuseOSError(errno.EOPNOTSUPP)

    def chmod(self, path: str, mode: int) -> None:
        with self._doing("chmod"):
            self._cache.path(_changeable(path)).chmod(mode)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        with self._doing("utimens"):
            file = self._cache.path(_changeable(path))
            found = file.stat()
            accessed, modified = times or (_NOW, _NOW)
            os.utime(file, ns=(_meant(accessed, found.st_atime_ns), _meant(modified, found.st_mtime_ns)))

    def listxattr(self, path: str) -> list[str]:
        return []

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        if not name.startswith("user."):
            # The kernel itself asks for security.capability before it writes.
            raise FuseOSError(errno.ENODATA)
        with self._doing("getxattr"):
            attribute = name.removeprefix(_PREFIX)
            if attribute not in self._uploads.conditions.answers:
                raise FuseOSError(self._uploads.conditions.unanswered)
            value = self._attribute(_name(path), attribute)
            if value is None:
                raise FuseOSError(errno.ENODATA)
            return value.encode()

    def _attribute(self, name: str, attribute: str) -> str | None:
        path = self._cache.path(name)
        path.lstat()
        if attribute == "id":
            return id_of(path) if name else self._cache.account.id("")
        if attribute == "md5":
            return self._cache.account.md5(name)
        busy = self._cache.busy.get(name)
        return "1" if busy is not None and busy.dirty else "0"

    def open(self, path: str, flags: int) -> int:
        with self._doing("open"):
            if self._uploads.conditions.erofs and flags & os.O_ACCMODE != os.O_RDONLY:
                raise FuseOSError(errno.EROFS)
            return self._keep(*self._cache.open(_name(path), flags))

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        with self._doing("create"):
            name = _changeable(path)
            self._check_room(name)
            return self._keep(*self._cache.open(name, fi | os.O_CREAT, mode))

    def _keep(self, descriptor: int, busy: Busy | None) -> int:
        self._handles[descriptor] = busy
        return descriptor

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        with self._doing("read"):
            return os.pread(fh, size, offset)

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        with self._doing("write"):
            busy = self._handles[fh]
            if busy is None:
                raise FuseOSError(errno.EBADF)
            self._cache.soil(busy)
            busy.handles[fh] = False
            return os.pwrite(fh, data[: self._room(os.fstat(fh).st_size, offset, len(data))], offset)

    def _room(self, size: int, offset: int, count: int) -> int:
        """How many of the bytes fit; those that replace others always do."""
        space = self._uploads.conditions.local_space
        if space is None or offset + count <= size:
            return count
        fitting = min(count, size - offset + max(0, space - self._cache.pending_bytes()))
        if fitting <= 0:
            raise FuseOSError(errno.ENOSPC)
        return fitting

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> None:
        with self._doing("truncate"):
            busy = None if fh is None else self._handles[fh]
            if busy is None:
                self._cache.truncate(_changeable(path or "/"), length)
            else:
                self._cache.soil(busy)
                os.truncate(busy.path, length)
            self._uploads.changed.notify_all()

    def fsync(self, path: str | None, datasync: int, fh: int) -> None:
        """As on Drive: it says nothing about the upload."""
        with self._doing("fsync"):
            os.fsync(fh)

    def flush(self, path: str | None, fh: int) -> None:
        """`close` waits for this one, not for `release`, so it is what makes a file ready for its upload."""
        with self._doing("flush"):
            if (busy := self._handles[fh]) is not None:
                busy.handles[fh] = True
                self._uploads.changed.notify_all()

    def release(self, path: str | None, fh: int) -> None:
        with self._uploads.changed:
            self._cache.close(fh, self._handles.pop(fh))
            self._uploads.changed.notify_all()


def _meant(time_ns: int, before: int) -> int:
    """The library takes the two marks of utimensat for nanoseconds."""
    return {_NOW: time.time_ns(), _OMIT: before}.get(time_ns, time_ns)


def _name(path: str) -> str:
    """The path below MyDrive; the mount's own root has none and stands for it where it is only looked at."""
    top, _, name = path.removeprefix("/").partition("/")
    if top and top not in _HOME:
        raise FuseOSError(errno.ENOENT)
    return name


def _changeable(path: str) -> str:
    """The same for what shall change: neither the mount nor MyDrive itself may."""
    top, _, name = path.removeprefix("/").partition("/")
    if top not in _HOME or not name:
        raise FuseOSError(errno.EOPNOTSUPP)
    return name
