"""Whether a folder is mounted, asked of the kernel: a path alone does not tell, it is there without Drive, too.

What is written below a mount point while nothing is mounted there lands on the VM's own disk, looks like a checkpoint
on Drive, dies with the VM, and keeps Drive from being mounted again.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["drive_mount", "mount_point", "opened", "uploads_later"]

_TABLE = Path("/proc/self/mountinfo")
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def mount_point(path: Path) -> Path | None:
    """Where the FUSE file system is mounted that this path lies on; None if it lies on another one."""
    point, kind = _lies_on(path)
    return point if _is_fuse(kind) else None


def uploads_later(path: Path) -> bool:
    """Whether this path lies on a mount that takes bytes before it has sent them on: Drive's own, or rclone's."""
    return _lies_on(path)[1] in ("fuse.drive", "fuse.rclone")


def drive_mount() -> Path | None:
    """Where Google's own file system for Drive is mounted; None if it is not. The newest, if there are more."""
    return next((Path(point) for _, point, kind in reversed(_mounts()) if kind == "fuse.drive"), None)


def opened(point: Path) -> int | None:
    """A descriptor of the mount point, through which nothing but the mount is reached; None if nothing is mounted."""
    descriptor = os.open(point, _OPEN)
    try:
        number = _mount_number(descriptor)
        mounted = any(_is_fuse(kind) for one, _, kind in _mounts() if one == number)
    except BaseException:
        os.close(descriptor)
        raise
    if not mounted:
        os.close(descriptor)
        return None
    return descriptor


def _lies_on(path: Path) -> tuple[Path, str]:
    above = [(Path(point), kind) for _, point, kind in _mounts() if path.is_relative_to(point)]
    # A later mount of the same place hides the earlier one.
    return max(reversed(above), key=lambda found: len(found[0].parts), default=(path, ""))


def _mount_number(descriptor: int) -> str:
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii").splitlines()
    return next(line.split()[1] for line in lines if line.startswith("mnt_id:"))


def _mounts() -> list[tuple[str, str, str]]:
    """Number, place and kind of each. https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html"""
    found = []
    for line in _TABLE.read_text("utf-8", errors="surrogateescape").splitlines():
        fields, _, rest = line.partition(" - ")
        number, _, _, _, place, *_ = fields.split(" ")
        found.append((number, _plain(place), rest.split(" ")[0]))
    return found


def _plain(place: str) -> str:
    """The kernel writes spaces, tabs, line ends and backslashes as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place


def _is_fuse(kind: str) -> bool:
    return kind == "fuse" or kind.startswith("fuse.")
