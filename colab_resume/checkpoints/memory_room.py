"""How much memory may still be taken: what the system has left, or less if the container is allowed less.

Files that are only cached count as room, because the kernel gives them back. Where nothing can be found out there is
none, so that callers take the way that needs none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["LAST", "room"]

LAST = 1 << 30
"""So much is left to the training and to the system, whatever else there is to gain."""

_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def room(*, proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """The bytes that may still be taken."""
    # A container may show only a part of this; what it does not show does not bind it, as far as anybody can tell.
    with suppress(OSError, ValueError, KeyError):
        available = _table(proc / "meminfo")["MemAvailable:"] << 10
        return max(0, min([available, *_rooms_of_groups(proc, cgroups)]))
    return 0


def _rooms_of_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Of each group that this process is in, from its own up to the outermost: the smallest limit counts."""
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        group = root / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(root):
                yield from _room_of(folder, *names)


def _room_of(folder: Path, limit: str, used: str, prefix: str) -> Iterator[int]:
    """None if the group has no limit, or cannot be seen from inside the container."""
    with suppress(OSError, ValueError, KeyError):
        most = int((folder / limit).read_text())  # "max" is no number
        cached = _table(folder / "memory.stat")
        given_back = cached[f"{prefix}active_file"] + cached[f"{prefix}inactive_file"]
        yield most - int((folder / used).read_text()) + given_back


def _table(path: Path) -> dict[str, int]:
    return {words[0]: int(words[1]) for line in _lines(path) if len(words := line.split()) > 1}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
