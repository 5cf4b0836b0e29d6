"""What the VM has: all files as its programs see them, and which of them Drive does not have yet.

`view` is a plain folder tree. A clean file is a hard link to Drive's own, and gets an inode of its own before its
first change. Which files are dirty is an extended attribute of their inodes, and what Drive was not told yet is in a
journal, so both survive SIGKILL. Not safe for threads: whoever calls holds `lock`.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

from drivefs.account import Account, id_of, new_cloud_id, set_id
from drivefs.busy import Busy
from drivefs.journal import Journal

__all__ = ["Cache"]

_DIRTY = "user.standin.dirty"
_HIDDEN = ".fuse_hidden"
"""How libfuse renames what is deleted while it is open."""


class Cache:
    def __init__(self, folder: Path, account: Account) -> None:
        self.account = account
        self.lock = threading.RLock()
        self.offline = False
        self.busy: dict[str, Busy] = {}
        self._open: set[int] = set()
        self._view, self._spare, self._hidden = (folder / name for name in ("view", "spare", "hidden"))
        self.journal = Journal(folder / "journal", account)
        for path in (self._view, self._spare, self._hidden):
            path.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(secrets.randbelow(10**6))
        self._resume()

    def _resume(self) -> None:
        for top, _, names in os.walk(self._view):
            for path in (Path(top) / name for name in names):
                if _is_dirty(path):
                    self.busy[str(path.relative_to(self._view))] = Busy(path, dirty=True, since=time.monotonic())

    def path(self, name: str) -> Path:
        """Where a file's bytes are on this VM, up to date with what other VMs have done."""
        if (base := name.rpartition("/")[2]).startswith(_HIDDEN):
            return self._hidden / base
        if not self.offline:
            parts = name.split("/")
            for depth in range(1, len(parts) + 1):
                self._follow("/".join(parts[:depth]))
        return self._view / name

    def names(self, folder: str) -> list[str]:
        """What a folder holds."""
        here = self.path(folder)
        if not self.offline:
            with suppress(FileNotFoundError, NotADirectoryError):
                for path in (*here.iterdir(), *(self.account.cloud / folder).iterdir()):
                    self._follow(f"{folder}/{path.name}" if folder else path.name)
        return sorted(path.name for path in here.iterdir())

    def follow_all(self) -> None:
        """Before the line is cut: the VM knows all that Drive has."""
        if self.journal.is_empty():
            for path in self.account.cloud.rglob("*"):
                self.path(str(path.relative_to(self.account.cloud)))

    def _follow(self, name: str) -> None:
        """Make one entry what Drive has, unless this VM has something newer."""
        if name in self.busy or not name:
            return
        here, there = self._view / name, self.account.cloud / name
        mine, theirs = _stat(here), _stat(there)
        if theirs is None:
            if mine is not None:
                self._drop(name, here)
        elif stat.S_ISDIR(theirs.st_mode):
            here.mkdir(exist_ok=True)
            if id_of(here) != (identity := self.account.id(name)):
                set_id(here, identity)
        elif mine is None or not os.path.samestat(mine, theirs):
            self.account.id(name)
            self._put(there, here)

    def _drop(self, name: str, here: Path) -> None:
        if not here.is_dir():
            here.unlink()
        elif not any(other.startswith(f"{name}/") for other in self.busy):
            shutil.rmtree(here)

    def _put(self, source: Path, target: Path) -> None:
        spare = self._spare / secrets.token_hex(8)
        spare.hardlink_to(source)
        # Renaming one of two links of the same file over the other does nothing, so the old one goes first.
        target.unlink(missing_ok=True)
        spare.rename(target)

    def open(self, name: str, flags: int, mode: int = 0o666) -> tuple[int, Busy | None]:
        """A descriptor, and the file's `Busy` if it may write."""
        path = self.path(name)
        # The kernel says where an append begins; a descriptor that appends would ignore it. And reads are not aligned.
        kept = flags & ~(os.O_APPEND | os.O_TRUNC | os.O_DIRECT)
        created = bool(flags & os.O_CREAT) and not path.exists()
        descriptor = os.open(path, kept, mode)
        if created:
            set_id(descriptor, f"local-{next(self._numbers)}")
        self._open.add(descriptor)
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return descriptor, None
        busy = self.busy.setdefault(name, Busy(path))
        busy.handles[descriptor] = False
        if created or flags & os.O_TRUNC:
            self.soil(busy)
            os.ftruncate(descriptor, 0)
        return descriptor, busy

    def close(self, descriptor: int, busy: Busy | None) -> None:
        self._open.discard(descriptor)
        os.close(descriptor)
        if busy is not None:
            del busy.handles[descriptor]
            self._forget_idle(busy)

    def truncate(self, name: str, length: int) -> None:
        busy = self.busy.setdefault(name, Busy(self.path(name)))
        self.soil(busy)
        os.truncate(busy.path, length)

    def soil(self, busy: Busy) -> None:
        """Before a change of the content: the file gets bytes of its own, and Drive does not have them."""
        if busy.path.stat().st_nlink > 1:
            self._part_from_drive(busy)
        os.setxattr(busy.path, _DIRTY, b"1")
        busy.dirty, busy.failed = True, None
        busy.version += 1
        busy.since = time.monotonic()

    def _part_from_drive(self, busy: Busy) -> None:
        shared, spare = busy.path.stat(), self._spare / secrets.token_hex(8)
        shutil.copy2(busy.path, spare)
        spare.rename(busy.path)
        fresh = os.open(busy.path, os.O_RDWR)
        for descriptor in self._open:
            if os.path.samestat(os.fstat(descriptor), shared):
                os.dup2(fresh, descriptor)
        os.close(fresh)

    def cleaned(self, name: str) -> None:
        """Drive has this file's content now."""
        busy = self.busy[name]
        os.removexattr(busy.path, _DIRTY)
        busy.dirty, busy.failed = False, None
        self._forget_idle(busy)

    def set_arriving_id(self, busy: Busy) -> None:
        """A new file's id becomes Drive's; an overwritten one keeps it."""
        if (id_of(busy.path) or "local-").startswith("local-"):
            set_id(busy.path, new_cloud_id())

    def _forget_idle(self, busy: Busy) -> None:
        if not busy.dirty and not busy.handles:
            self.busy = {name: other for name, other in self.busy.items() if other is not busy}

    def pending_bytes(self) -> int:
        return sum(busy.path.stat().st_size for busy in self.busy.values() if busy.dirty)

    def make_folder(self, name: str, mode: int) -> None:
        path = self.path(name)
        path.mkdir(mode)
        set_id(path, f"local-{next(self._numbers)}")
        self._tell("make_folder", name)

    def remove_folder(self, name: str) -> None:
        self.names(name)
        self.path(name).rmdir()
        self._tell("remove_folder", name)

    def remove(self, name: str) -> None:
        path = self.path(name)
        path.unlink()
        if path.parent != self._hidden:
            self.busy.pop(name, None)
            self._tell("discard", name)

    def rename(self, old: str, new: str, *, gap: bool) -> None:
        source, target = self.path(old), self.path(new)
        if target.parent == self._hidden:
            self._hide(old, target)
            return
        if old == new:
            return
        replaces = target.is_file()
        new_to_drive = not (self.account.cloud / old).exists()
        source.rename(target)
        self.busy.pop(new, None)
        if replaces and (gap or not new_to_drive):
            self._tell("discard", new)
        self._tell("move", old, new)
        self._rekey(old, new)

    def _hide(self, old: str, target: Path) -> None:
        """Deleted while open: gone for everybody but those who have it open."""
        self.path(old).rename(target)
        if busy := self.busy.pop(old, None):
            busy.path = target
        self._tell("discard", old)

    def _rekey(self, old: str, new: str) -> None:
        for name in [name for name in self.busy if name == old or name.startswith(f"{old}/")]:
            busy = self.busy[new + name[len(old) :]] = self.busy.pop(name)
            busy.path = self._view / (new + name[len(old) :])

    def _tell(self, verb: str, *names: str) -> None:
        self.journal.add(verb, *names)
        if not self.offline:
            self.journal.tell_all()


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _is_dirty(path: Path) -> bool:
    try:
        os.getxattr(path, _DIRTY)
    except OSError:
        return False
    return True
