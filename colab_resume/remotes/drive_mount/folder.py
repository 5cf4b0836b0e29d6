"""One folder of the mount, reached through a descriptor: whatever happens to the mount, nothing else is touched."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from .. import Source
from ..folder import PART
from ..reading import blocks
from .attributes import DriveAttributes

__all__ = ["Folder"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_AGAIN = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
_PROBE = f"{PART}probe"
_DAY = 24 * 3600.0


class Folder:
    """Closed at the end of its block. Each verb raises the system's own OSError."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def below(self, path: Path) -> Folder | None:
        """The folder at this relative path; None if there is none."""
        try:
            return Folder(os.open(path, _FOLDER, dir_fd=self.descriptor))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def made(self, path: Path) -> Folder:
        """The same, made if there is none."""
        for one in (*reversed(path.parents), path):
            with contextlib.suppress(FileExistsError):
                if one.parts:
                    os.mkdir(one, dir_fd=self.descriptor)
        return Folder(os.open(path, _FOLDER, dir_fd=self.descriptor))

    def names(self) -> list[str]:
        """Of all that lies directly in it."""
        return os.listdir(self.descriptor)  # noqa: PTH208 - a Path cannot be a descriptor

    def size(self, base: str) -> int | None:
        """The size of a file; None if there is none, and for whatever is no file."""
        try:
            found = os.stat(base, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def attributes(self, base: str) -> DriveAttributes:
        """What Drive says of a file. It can be asked by path alone, so the path leads through the descriptor."""
        return DriveAttributes.of(f"/proc/self/fd/{self.descriptor}/{base}")

    def probed(self) -> DriveAttributes:
        """What Drive says of a small file that was written to find that out, and stays."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(_PROBE, _NEW, 0o666, dir_fd=self.descriptor))
        return self.attributes(_PROBE)

    def write(self, base: str, name: str, source: Source, size: int) -> str:
        """Hand all of `source` to the mount, which is all that its fsync means; the md5 of it, in hex.

        A new file gets its name when it is whole, and before it is closed: what is closed is uploaded, and might be
        once more under another name. One that is there is written in place: Drive keeps the old content until it has
        the new one, and to replace the file would put the old one into the trash.
        """
        if self.size(base) is not None:
            with os.fdopen(os.open(base, _AGAIN, dir_fd=self.descriptor), "wb", buffering=0) as stream:
                return _written(stream.fileno(), name, source, size)
        part = f"{PART}{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(part, _NEW, 0o666, dir_fd=self.descriptor), "wb", buffering=0) as stream:
                md5 = _written(stream.fileno(), name, source, size)
                os.rename(part, base, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except BaseException:
            # The first error is the one to tell; a part that stays is swept a day later.
            with contextlib.suppress(OSError):
                self.unlink(part)
            raise
        return md5

    def read(self, base: str) -> int:
        """A descriptor to read from; FileNotFoundError also if it is no file."""
        if self.size(base) is None:
            raise FileNotFoundError(base)
        return os.open(base, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.descriptor)

    def empty(self, base: str) -> None:
        """Take all bytes from a file."""
        os.close(os.open(base, _AGAIN, dir_fd=self.descriptor))

    def unlink(self, base: str) -> None:
        """Remove a file."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(base, dir_fd=self.descriptor)

    def dead_parts(self, now: float) -> Iterator[str]:
        """The parts of writers that died more than a day before `now`."""
        for base in self.names():
            if base.startswith(PART) and base != _PROBE:
                with contextlib.suppress(FileNotFoundError):
                    if now - os.stat(base, dir_fd=self.descriptor).st_mtime > _DAY:
                        yield base


def _written(descriptor: int, name: str, source: Source, size: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks(name, source, size):
        _write_all(descriptor, block)
        digest.update(block)
    os.fsync(descriptor)
    return digest.hexdigest()


def _write_all(descriptor: int, block: bytes) -> None:
    """A full disk takes a part of a block first, and says that it is full at the next."""
    left = memoryview(block)
    while left:
        left = left[os.write(descriptor, left) :]
