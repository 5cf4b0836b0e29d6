"""What a mounted Drive says of a file: whether Drive has its bytes, and which.

DriveFS answers a few extended attributes that it does not list. `user.drive.uncommitted` is "1" while bytes wait to be
uploaded; `user.drive.id` begins with "local" until a new file has reached Drive; `user.drive.md5` is that of what is on
Drive. They are Google's own and not documented: ChromiumOS' tests of DriveFS rely on them (local/drivefs in
https://chromium.googlesource.com/chromiumos/platform/tast-tests). What does not answer is not believed.
"""

from __future__ import annotations

import enum
import errno
import os
from dataclasses import dataclass

__all__ = ["DriveAttributes", "Proof"]

_SILENT = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.EIO, errno.ENOSYS})
"""EIO is what rclone answers to any attribute of a file that can be read."""
_DONE = frozenset({"0", "false", ""})


class Proof(enum.Enum):
    """How a mount proves that a file is on Drive; the value is a text for people."""

    UNCOMMITTED = "Drive says when nothing of a file waits to be uploaded any more"
    ID = "a new file gets its id when it has reached Drive"
    NONE = "this mount does not tell when a file has reached Drive"


@dataclass(frozen=True)
class DriveAttributes:
    """Those of one file; None for each that does not answer."""

    uncommitted: str | None
    id: str | None
    md5: str | None

    @classmethod
    def of(cls, path: str) -> DriveAttributes:
        """Ask for them; OSError if there is no such file, or no mount any more."""
        return cls(*(_ask(path, name) for name in ("uncommitted", "id", "md5")))

    @property
    def proof(self) -> Proof:
        """The best that these can give."""
        if self.uncommitted is not None:
            return Proof.UNCOMMITTED
        return Proof.NONE if self.id is None else Proof.ID

    @property
    def is_pending(self) -> bool:
        """Whether Drive says that it does not have the file as it is here."""
        waits = self.uncommitted is not None and self.uncommitted.lower() not in _DONE
        return waits or (self.id is not None and self.id.startswith("local"))

    def confirms(self, md5: str) -> bool:
        """Whether Drive has the file, with this content as far as it says which."""
        return self.proof is not Proof.NONE and not self.is_pending and self.md5 in (None, md5)


def _ask(path: str, name: str) -> str | None:
    try:
        return os.getxattr(path, f"user.drive.{name}").decode("utf-8", "replace").strip("\0 \n")
    except OSError as error:
        if error.errno in _SILENT:
            return None
        raise
