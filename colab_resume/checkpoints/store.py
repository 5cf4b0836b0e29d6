"""The run's folder on the VM's own disk: whole checkpoints or none, whatever happens and whenever.

A checkpoint is there once its manifest is, and the manifest is written last and deleted first. So a crash at any moment
leaves complete checkpoints, and files that nobody refers to: those half written go with the next open, the others with
the next sweep. One process has a store at a time; within it, any thread may call anything.
"""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, BinaryIO, Unpack

from ..durable import DurableSink, as_store_error, fsync_folder, publish, write_durably
from ..errors import DamagedCheckpoint, StoreError, UsageError
from .carrying import Carrier
from .damage import damaged, unreadable
from .lock import StoreLock
from .manifest import MANIFEST_LIMIT, Facts, Manifest, TensorRef
from .names import NAME, PACK, checkpoint_name, pack_name
from .pack import PackInfo, Slab, write_pack
from .pack_file import payload_size, verify_pack
from .reading import tensor_reader
from .run_folder import RunFolder
from .sharing import content, plan
from .spares import Spares

if TYPE_CHECKING:
    import torch

__all__ = ["PACK_BYTES", "Store"]

PACK_BYTES = 64 << 20
"""How much goes into one pack: enough to keep a connection busy, little enough to send several at once."""

_PART = ".part"


class Store(RunFolder):
    """A run's folder, locked for this process until `close`."""

    def __init__(self, root: Path, *, session: str, pack_bytes: int = PACK_BYTES) -> None:
        super().__init__(root)
        checkpoint_name(0, session)
        self.session = session
        self._pack_bytes = pack_bytes
        self._closed = False
        self._mutex = RLock()
        self._pins: Counter[str] = Counter()
        self._received: set[str] = set()
        self._parsed: dict[str, tuple[tuple[int, ...], Manifest]] = {}
        self._payloads: dict[str, tuple[tuple[int, ...], int]] = {}
        with as_store_error(root):
            self.create()
        self._lock = StoreLock(root / ".lock")
        try:
            with as_store_error(root):
                self.identify()
                self.remove_unfinished()
                self._spares = Spares(self.packs)
                self._newest_bytes = self._spares.nbytes
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have the folder; again is nothing."""
        self._closed = True
        self._lock.release()

    @property
    def is_closed(self) -> bool:
        """Whether another process may have the folder by now."""
        return self._closed

    def free(self) -> int | None:
        """Bytes free on its disk; None if that does not say."""
        try:
            return shutil.disk_usage(self.root).free
        except OSError:
            return None

    def room(self) -> int | None:
        """Bytes that its checkpoints can have: what is free, and what they have already."""
        free = self.free()
        if free is None:
            return None
        for path in (self.root / "packs").iterdir():
            with suppress(FileNotFoundError):  # retention may be faster
                free += path.stat().st_size
        return free

    def names(self) -> list[str]:
        """The checkpoints that are here, by step."""
        with as_store_error(self.checkpoints):
            stems = (path.stem for path in self.checkpoints.iterdir() if path.suffix == ".json")
            return sorted(stem for stem in stems if NAME.fullmatch(stem))

    def read(self, name: str) -> Manifest:
        """The manifest of a checkpoint; DamagedCheckpoint if it is not here, or is not what was written."""
        path = self.manifest_path(name)
        try:
            stamp = _stamp(path)
            known = self._parsed.get(name)
            if known is None or known[0] != stamp:
                with path.open("rb") as stream:
                    known = self._parsed[name] = stamp, Manifest.from_bytes(stream.read(MANIFEST_LIMIT + 1), name)
        except OSError as error:
            raise unreadable(path, error) from error
        return known[1]

    def missing(self, manifest: Manifest) -> list[str]:
        """The packs of a checkpoint that are not here, or not with their size."""
        with as_store_error(self.packs):
            return [name for name, info in manifest.packs.items() if _size(self.pack_path(name)) != info.size]

    def verify(self, manifest: Manifest, progress: Callable[[int], None] | None = None) -> None:
        """Read every pack of a checkpoint; DamagedCheckpoint unless all are, to the bit, what was written."""
        for name, info in manifest.packs.items():
            verify_pack(self.pack_path(name), info, progress)

    def reader(self, manifest: Manifest) -> Callable[[int], torch.Tensor]:
        """What gives the tensor that stands at an index of `manifest.tensors`; each pack is opened once."""
        return tensor_reader(manifest, self.pack_path)

    def commit(self, *, slabs: Sequence[Slab], **facts: Unpack[Facts]) -> Manifest:
        """Write a checkpoint and return once it would survive a power cut; if anything fails, nothing of it stays."""
        name = checkpoint_name(facts["step"], self.session, facts.get("serial", 0))
        contents = [content(slab) for slab in slabs]
        # The last of equal ones stays, and it should be one whose bytes are at hand.
        distinct = {content(slab): slab for slab in sorted(slabs, key=lambda slab: slab.data is not None)}
        with self._exclusively():
            if self.manifest_path(name).exists():
                raise UsageError(f"checkpoint {name} exists", hint="Give it another serial number; names never change.")
            known, infos, payloads = self._reliable(facts["parent"])
            todo = plan(distinct, known, payloads=payloads, pack_bytes=self._pack_bytes)
            places, carrier = dict(todo.referenced), Carrier(self.pack_path)
            packs = dict(zip(self._pack_names(name), todo.packs, strict=False))
            try:
                for pack, group in packs.items():
                    whole = [carrier.whole(distinct[one], todo.carried.get(one)) for one in group]
                    infos[pack] = write_pack(self.pack_path(pack), whole, spares=self._spares)
                    self._payloads[pack] = _stamp(self.pack_path(pack)), sum(slab.nbytes for slab in whole)
                    places |= {one: TensorRef(pack, distinct[one].key, *one) for one in group}
                tensors = tuple(places[one] for one in contents)
                used = {ref.pack: infos[ref.pack] for ref in tensors}
                manifest = Manifest(session=self.session, tensors=tensors, packs=used, **facts)
                data = manifest.to_bytes()
                write_durably(self.manifest_path(name), lambda sink: sink.write(data))
                self._parsed[name] = _stamp(self.manifest_path(name)), manifest
            except BaseException:
                self._retract(name, packs)
                raise
            # Whoever saves has restored what there was to restore: what was fetched and not adopted is waste.
            self._received.clear()
            self._newest_bytes = sum(infos[pack].size for pack in packs)
            return manifest

    def unfinished_path(self, name: str) -> Path:
        """Where a pack lies of which not all has been received."""
        path = self.pack_path(name)
        return path.with_name(path.name + _PART)

    @contextmanager
    def receive(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """Take a pack in: yields where to write it, and the offset to go on from if an earlier try was interrupted.

        The pack gets its name when the block ends well; otherwise what came so far is kept for the next try. Until its
        manifest is adopted or this process commits, a sweep leaves it alone. Its bytes are not checked here.
        """
        path, part = self.pack_path(name), self.unfinished_path(name)
        with self._exclusively():
            self._received.add(name)
        with as_store_error(path):
            raw = DurableSink(part, "ab")
        with io.BufferedWriter(raw) as sink:
            yield sink, sink.tell()
            with as_store_error(path):
                publish(sink, part, path)

    def adopt(self, manifest_bytes: bytes, name: str) -> Manifest:
        """Make a checkpoint that came from elsewhere one of this store's; its packs must be here already."""
        manifest = Manifest.from_bytes(manifest_bytes, name)
        with self._exclusively():
            if missing := self.missing(manifest):
                raise damaged(f"Checkpoint {name}", f"{missing[0]} is not here, or not whole")
            write_durably(self.manifest_path(name), lambda sink: sink.write(manifest_bytes))
            self._received -= manifest.packs.keys()
        return manifest

    def set_aside(self, name: str, reason: str) -> None:
        """Take a checkpoint out of use, and keep its manifest and the reason in `aside/`; its packs go with a sweep."""
        source = self.manifest_path(name)
        with self._exclusively():
            write_durably(self.aside / f"{name}.reason.txt", lambda sink: sink.write(f"{reason}\n".encode()))
            self._parsed.pop(name, None)
            if source.exists():
                source.replace(self.aside / source.name)
                fsync_folder(self.aside)
                fsync_folder(self.checkpoints)

    @contextmanager
    def pinned(self, name: str) -> Iterator[None]:
        """While in this block, no sweep deletes the checkpoint; whether it was still there, ask inside."""
        with self._mutex:
            self._pins[name] += 1
        try:
            yield
        finally:
            with self._mutex:
                self._pins[name] -= 1

    def sweep(self, keep: Collection[str]) -> list[str]:
        """Delete the checkpoints that are not in `keep`, and all packs that no remaining one refers to.

        Pinned ones stay, and those newer than all of `keep`: they were committed after the caller had looked. A
        manifest that cannot be read is set aside. Returns the names of what was deleted. As many packs as the newest
        commit has filled are not deleted but kept, under another name, for the next one to write over.
        """
        with self._exclusively():
            present = [manifest for name in self.names() if (manifest := self._read_or_set_aside(name)) is not None]
            newest = max((manifest.rank for manifest in present if manifest.name in keep), default=(-1, -1, -1))
            gone = {m.name for m in present if m.name not in keep and not self._pins[m.name] and m.rank <= newest}
            for name in sorted(gone):
                self.manifest_path(name).unlink()
                self._parsed.pop(name, None)
            fsync_folder(self.checkpoints)
            self._sweep_packs({pack for m in present if m.name not in gone for pack in m.packs} | self._received)
        return sorted(gone)

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with self._mutex, as_store_error(self.root):
            if self._closed:
                raise StoreError(f"The store {self.root} is closed.", hint="Set the run up again.")
            yield

    def _reliable(self, parent: str | None) -> tuple[tuple[TensorRef, ...], dict[str, PackInfo], dict[str, int]]:
        """The parent's tensors and packs, and the payload of each pack that is really here."""
        if parent is None or not self.manifest_path(parent).exists():
            return (), {}, {}
        try:
            manifest = self.read(parent)
            here = manifest.packs.keys() - self.missing(manifest)
            self._payloads = {pack: self._payload(pack) for pack in here}
            return manifest.tensors, dict(manifest.packs), {pack: size for pack, (_, size) in self._payloads.items()}
        except DamagedCheckpoint:
            # Restore and sweep deal with the parent; this checkpoint must only not lean on it.
            return (), {}, {}

    def _payload(self, pack: str) -> tuple[tuple[int, ...], int]:
        """The bytes of tensors in a pack, known as long as nobody has touched the file."""
        stamp, known = _stamp(self.pack_path(pack)), self._payloads.get(pack)
        return known if known is not None and known[0] == stamp else (stamp, payload_size(self.pack_path(pack)))

    def _pack_names(self, checkpoint: str) -> Iterator[str]:
        # A pack of a swept checkpoint of the same name may live on, referenced by others.
        names = (pack_name(checkpoint, number) for number in count())
        return (name for name in names if not self.pack_path(name).exists())

    def _retract(self, name: str, packs: Iterable[str]) -> None:
        # In this order and no further than the disk allows: a manifest that cannot be taken back keeps its packs.
        with suppress(OSError):
            self.manifest_path(name).unlink(missing_ok=True)
            fsync_folder(self.checkpoints)
            for pack in packs:
                self.pack_path(pack).unlink(missing_ok=True)

    def _read_or_set_aside(self, name: str) -> Manifest | None:
        try:
            return self.read(name)
        except DamagedCheckpoint as error:
            self.set_aside(name, error.what)
            return None

    def _sweep_packs(self, wanted: Collection[str]) -> None:
        retired = []
        for path in self.packs.iterdir():
            name = path.name.removesuffix(_PART)
            if not PACK.fullmatch(name) or name in wanted:
                continue
            if path.name == name:
                retired.append(path)
            else:
                path.unlink()
        self._spares.retire(retired, limit=self._newest_bytes)
        fsync_folder(self.packs)


def _stamp(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
