"""What Google has: the files of an account, its trash, and what both cost. Every change is one atomic step.

`cloud` is the folder MyDrive as a fresh VM would see it; trash and incoming files lie beside it. A file's id is an
extended attribute of its inode, so it moves with the file. What lies in `cloud` is never written to, only replaced.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
from contextlib import suppress
from pathlib import Path

__all__ = ["Account", "id_of", "new_cloud_id", "set_id"]

_ID = "user.standin.id"


def new_cloud_id() -> str:
    """33 characters that begin with 1, as Drive gives them."""
    return "1" + secrets.token_urlsafe(24)


def id_of(path: Path | int) -> str | None:
    """None for what has no id yet."""
    try:
        return os.getxattr(path, _ID).decode()
    except OSError:
        return None


def set_id(path: Path | int, identity: str) -> None:
    os.setxattr(path, _ID, identity.encode())


class Account:
    """Several VMs may have the same account mounted."""

    def __init__(self, cloud: Path) -> None:
        self.cloud = cloud
        self.trash = cloud.with_name("trash")
        self._arriving = cloud.with_name("arriving")
        for folder in (cloud, self.trash, self._arriving):
            folder.mkdir(parents=True, exist_ok=True)

    def used(self) -> int:
        """The bytes that count against the quota; the trash counts."""
        total = 0
        for top, _, names in itertools.chain(os.walk(self.cloud), os.walk(self.trash)):
            for name in names:
                # Another VM may have moved it since it was listed.
                with suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(top, name)).st_size  # noqa: PTH118 - called for every upload
        return total

    def size(self, name: str) -> int:
        """Of a file's content here; 0 if there is none."""
        with suppress(FileNotFoundError):
            return (self.cloud / name).stat().st_size
        return 0

    def id(self, name: str) -> str:
        """The id of a file or folder that is here; it gets one if it came by another way, such as the web page."""
        path = self.cloud / name
        if (identity := id_of(path)) is None:
            identity = new_cloud_id()
            set_id(path, identity)
        return identity

    def md5(self, name: str) -> str | None:
        """Of a file's content here."""
        try:
            content = (self.cloud / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        return hashlib.md5(content, usedforsecurity=False).hexdigest()

    def arrive(self, source: Path, name: str) -> None:
        """A file's new content is here, whole, from now on; `source` is shared and must not be written to again."""
        target = self.cloud / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and self.id(name) != id_of(source):
            self.discard(name)
        arriving = self._arriving / secrets.token_hex(8)
        arriving.hardlink_to(source)
        arriving.replace(target)

    def make_folder(self, name: str) -> None:
        (self.cloud / name).mkdir(parents=True, exist_ok=True)

    def remove_folder(self, name: str) -> None:
        """Only an empty one; what another VM has put there stays."""
        with suppress(OSError):
            (self.cloud / name).rmdir()

    def discard(self, name: str) -> None:
        """Into the trash, as it is here: what was not uploaded before is not what is thrown away."""
        with suppress(FileNotFoundError, NotADirectoryError):
            identity = self.id(name)
            (self.cloud / name).rename(self.trash / f"{identity}-{Path(name).name}")

    def move(self, old: str, new: str) -> None:
        """What has never been uploaded is not here and needs no move."""
        if not os.path.lexists(self.cloud / old):
            return
        if (self.cloud / new).is_file():
            self.discard(new)
        (self.cloud / new).parent.mkdir(parents=True, exist_ok=True)
        (self.cloud / old).rename(self.cloud / new)
