"""The system calls that Python has no function for: namespaces, mounts, and dying with the parent."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

__all__ = [
    "BIND",
    "LAZILY",
    "NEW_IPC",
    "NEW_MOUNTS",
    "NEW_NAMES",
    "NEW_PROCESSES",
    "PRIVATE",
    "READ_ONLY",
    "RECURSIVE",
    "REMOUNT",
    "attach",
    "detach",
    "die_with_parent",
    "enter",
    "mount",
    "tree_of",
    "unshare",
]

# <linux/sched.h>
NEW_MOUNTS, NEW_NAMES, NEW_IPC, NEW_PROCESSES = 0x00020000, 0x04000000, 0x08000000, 0x20000000
# <linux/mount.h>
READ_ONLY, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 32, 4096, 16384, 1 << 18
LAZILY = 2  # MNT_DETACH
_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same number on every architecture
_HERE = -100  # AT_FDCWD
_CLONE, _EMPTY_PATH = 1, 4
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path | str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    texts = [text.encode() or None for text in (source, str(target), kind)]
    _done(_libc.mount(*texts, ctypes.c_ulong(flags), data.encode() or None), f"mount {kind or source} at {target}")


def detach(target: Path | str) -> bool:
    """Unmount, also what is in use; whether there was something."""
    return bool(_libc.umount2(os.fsencode(target), LAZILY) == 0)


def tree_of(path: Path) -> int:
    """A descriptor of a copy of the mount at `path`, which `attach` can put into another mount namespace."""
    return _done(_libc.syscall(_OPEN_TREE, _HERE, os.fsencode(path), _CLONE | os.O_CLOEXEC), f"copy the mount {path}")


def attach(tree: int, target: str) -> None:
    """Mount, here, what `tree_of` gave."""
    _done(_libc.syscall(_MOVE_MOUNT, tree, b"", _HERE, target.encode(), _EMPTY_PATH), f"attach a mount at {target}")


def unshare(flags: int) -> None:
    """This process, or for `NEW_PROCESSES` its next child, gets namespaces of its own."""
    _done(_libc.unshare(flags), "unshare")


def enter(namespace: int, flags: int) -> None:
    """setns(2)."""
    _done(_libc.setns(namespace, flags), "enter a namespace")


def die_with_parent() -> None:
    """SIGKILL for this process when the thread that forked it is gone."""
    _done(_libc.prctl(_DEATH_SIGNAL, signal.SIGKILL), "prctl")


def _done(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
