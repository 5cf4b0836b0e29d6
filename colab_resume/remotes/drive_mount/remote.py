"""The remote on a mounted Drive: see the folder's docstring for what it promises."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from ...colab.drive import mount_drive
from ...colab.mount_table import mount_point, opened
from ...errors import NotThere, RemoteError, RemoteFull, RemoteUnavailable, UsageError
from .. import Entry, Receipt, Source
from ..abilities import Space
from ..folder import attempt, check_name, is_name
from ..reading import md5_of
from .attributes import DriveAttributes, Proof
from .folder import Folder

__all__ = ["DriveMount"]

_BLOCK = 1 << 20
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 0.2
_BLIND = 2.0
"""Seconds for which an emptied file is left alone where nothing tells when Drive knows of it."""
_PATIENCE = 120.0
"""Seconds for which Drive may be silent about a file, beside those that its bytes take at `_SLOWEST` bytes a second."""
_SLOWEST = 200e3
_RESERVE = 8 << 20
"""Bytes that are left free on Drive: a file that does not fit whole is never uploaded, and nothing says so."""
_WORTH_EMPTYING = 1 << 16
"""Smaller files go to the trash as they are: Drive deletes them from there after 30 days."""
_NOTHING = hashlib.md5(usedforsecurity=False).hexdigest()
_REMOUNT = "mount Drive again, on Colab with drive.mount('/content/drive'); until then checkpoints wait on this disk"
_FULL = "old checkpoints of this run make room where there are some; else free space on Drive, also in its trash"


class DriveMount:
    """Objects are files below `root`, which must lie on a FUSE mount now; `wait` and `clock` are in seconds.

    `lag`: how long another VM's mount may not show yet what Drive has; it asks Drive for news every few seconds.
    `confirms`: whether `put` returns only when Drive has the bytes; where no attribute answers it cannot.
    """

    def __init__(
        self,
        root: Path,
        *,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        lag: float = 10.0,
    ) -> None:
        self.lag = lag
        self.root = root.absolute()
        point = mount_point(self.root)
        if point is None:
            raise UsageError(
                f"{root} is on no mounted Drive: it is the VM's own disk",
                hint="from google.colab import drive; drive.mount('/content/drive')",
            )
        self._point = point
        self._within = self.root.relative_to(point)
        self._wait = wait
        self._clock = clock
        self._handed: dict[str, str] = {}
        self._swept: set[Path] = set()

    def __repr__(self) -> str:
        return f"DriveMount({str(self.root)!r})"

    @property
    def confirms(self) -> bool:
        return self.proof is not Proof.NONE

    @cached_property
    def proof(self) -> Proof:
        """Which proof this mount gives, found out with a small file that stays there; the folder is made if needed."""
        with self._reached("ask", "") as top, top.made(self._within) as folder:
            return folder.probed().proof

    def mend(self) -> bool:
        """Mount Drive again if it is gone or has died; whether it is there in the end."""
        return mount_drive(self._point)

    @property
    def proof_text(self) -> str:
        return self.proof.value

    def space(self) -> Space:
        """What the mount says of the account."""
        with self._reached("ask for space", "") as top:
            found = os.statvfs(top.descriptor)
        return Space(total=found.f_blocks * found.f_frsize, free=found.f_bavail * found.f_frsize)

    def list(self, folder: str) -> Sequence[Entry]:
        """Of what Drive has: a file that still waits to be uploaded is not there yet."""
        if folder:
            check_name(folder)
        with self._reached("list", folder) as top:
            found = top.below(self._within / folder)
            if found is None:
                return []
            with found:
                names = sorted(filter(is_name, found.names()))
                entries = [self._entry(found, base, f"{folder}/{base}" if folder else base) for base in names]
        return [entry for entry in entries if entry is not None]

    def put(self, name: str, source: Source) -> Receipt:
        check_name(name)
        path = self._within / name
        with self._reached("store", name) as top:
            size = source.size
            free = self.space().free
            if free is not None and free < size + _RESERVE:
                raise RemoteFull(f"cannot store {self.root / name}: Drive is full", hint=_FULL)
            with top.made(path.parent) as folder:
                if path.parent not in self._swept:
                    self._swept.add(path.parent)
                    self._sweep(folder)
                md5 = self._handed_over(folder, path.name, name, source, size)
                found = self._confirmed(folder, path.name, md5, size) if self.confirms else None
        return Receipt(name, size, found.md5 if found else None)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        check_name(name)
        with self._reached("read", name) as top:
            descriptor = self._opened(top, self._within / name)
        stream = os.fdopen(descriptor, "rb", buffering=0)
        try:
            stream.seek(offset)
            while True:
                with attempt(f"read {self.root / name}"):
                    block = stream.read(_BLOCK)
                if not block:
                    return
                # Outside the attempt: what the sink cannot take is not Drive's failure.
                sink.write(block)
        finally:
            # A mount that has died refuses to close, too; to who has only read that makes no difference.
            with contextlib.suppress(OSError):
                stream.close()

    def delete(self, name: str) -> None:
        """For good, as far as a mount allows: what goes to the trash has no bytes any more, or very few."""
        check_name(name)
        path = self._within / name
        with self._reached("delete", name) as top:
            self._handed.pop(name, None)
            found = top.below(path.parent)
            if found is None:
                return
            with found as folder:
                self._remove(folder, path.name)

    def _remove(self, folder: Folder, base: str) -> None:
        size = folder.size(base)
        if size is None:
            return
        if size > _WORTH_EMPTYING:
            folder.empty(base)
            self._emptied(folder, base)
        folder.unlink(base)

    def _sweep(self, folder: Folder) -> None:
        for base in folder.dead_parts(time.time()):
            # Costs space, not safety: a part that vanished or may not be removed is no reason to refuse anything.
            with contextlib.suppress(OSError, RemoteError):
                self._remove(folder, base)

    @contextlib.contextmanager
    def _reached(self, doing: str, name: str) -> Iterator[Folder]:
        """The mount itself, for certain; what the system refuses becomes a `RemoteError`."""
        with _local_disk(), attempt(f"{doing} {self.root / name}"):
            descriptor = opened(self._point)
            if descriptor is None:
                what = f"cannot {doing} {self.root / name}: nothing is mounted at {self._point}"
                raise RemoteUnavailable(what, hint=_REMOUNT)
            with Folder(descriptor) as top:
                yield top

    def _handed_over(self, folder: Folder, base: str, name: str, source: Source, size: int) -> str:
        """Write it, unless that was done before and it only waits to be uploaded; the md5 of it."""
        before = self._handed.pop(name, None)
        if before is None or folder.size(base) != size or before != md5_of(name, source, size):
            before = folder.write(base, name, source, size)
        self._handed[name] = before
        return before

    def _confirmed(self, folder: Folder, base: str, md5: str, size: int) -> DriveAttributes:
        """Wait until Drive has the file."""
        end = self._clock() + _PATIENCE + size / _SLOWEST
        look = _FIRST_LOOK
        while not (found := folder.attributes(base)).confirms(md5):
            if self._clock() >= end:
                why = "has not taken it yet" if found.is_pending else "has other bytes than were written"
                raise RemoteUnavailable(
                    f"{base} was handed to the mounted Drive, which {why}",
                    hint="see whether Drive is full or offline; it is looked at again",
                )
            self._wait(look)
            look = min(2 * look, _LONGEST_LOOK)
        return found

    def _emptied(self, folder: Folder, base: str) -> None:
        """Wait until Drive, too, has the file without its bytes."""
        if self.proof is Proof.UNCOMMITTED:
            self._confirmed(folder, base, _NOTHING, 0)
        else:
            self._wait(_BLIND)

    def _entry(self, folder: Folder, base: str, name: str) -> Entry | None:
        size = folder.size(base)
        if size is None:
            return None
        found = folder.attributes(base) if self.confirms else None
        return None if found is not None and found.is_pending else Entry(name, size, found.md5 if found else None)

    def _opened(self, top: Folder, path: Path) -> int:
        folder = top.below(path.parent)
        if folder is not None:
            with folder:
                try:
                    return folder.read(path.name)
                except FileNotFoundError as error:
                    # A mount that is about to die says so of files that are there (googlecolab/colabtools#5970).
                    if path.name in folder.names() and folder.below(Path(path.name)) is None:
                        what = f"{self._point / path} is listed and cannot be found"
                        raise RemoteUnavailable(what, hint="it is tried again") from error
        raise NotThere(f"{self._point / path} is not there", hint="list the folder to see what is")


@contextlib.contextmanager
def _local_disk() -> Iterator[None]:
    """A mount keeps what it has not uploaded on the VM's disk: it is that which is full, and not Drive."""
    try:
        yield
    except RemoteFull as error:
        if isinstance(error.__cause__, OSError):
            what = f"{error.what}: the VM's disk is full, where the mount keeps what it has not uploaded"
            raise RemoteUnavailable(what, hint="free space on the VM, and look whether Drive is online") from error
        raise
