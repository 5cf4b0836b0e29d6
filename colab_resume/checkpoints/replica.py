"""The remote, made equal to the store: one round of it, in the caller's thread.

Packs go first, then the journal, the manifest last. What to do is what the store has and the remote lacks, worked out
anew after every upload, the newest first, so that intermediate checkpoints are skipped when uploads are slower than
saves. Deletion goes the other way round: a manifest first, then the packs that no manifest refers to any more. So
wherever the VM dies, no manifest is ever without its packs. A pack that has rotted on our own disk is found while it is
read to be sent, and the checkpoint is set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from io import BytesIO

from ..errors import CheckpointError, DamagedCheckpoint, RemoteError, RemoteFull, RemoteUnavailable
from ..remotes import BytesSource, Entry, FileSource, Remote
from ..remotes.abilities import Space, space_of
from ..sessions.identity import SessionRecord, started_by_name
from ..status import Sending
from .abreast import Tell, abreast
from .catalog import Catalog
from .gauge import Gauge
from .manifest import Manifest
from .names import PACK, journal_copy, whole_journals
from .retention import Best, Keep, kept
from .store import Store
from .uploading import PackSource

__all__ = ["HEARTBEAT_SECONDS", "Replica"]

HEARTBEAT_SECONDS = 60.0
_ORPHAN_SECONDS = 24 * 3600.0
_AT_A_TIME = 4
"""Packs: what a remote takes for each beside its bytes is then hidden behind the bytes of the others."""


class Replica:
    """One run's folder on a remote, as the counterpart of its store.

    `damaged`: checkpoints that a restore has set aside. They look whole from outside, but count for nothing here, and
    go as soon as there are as many good ones as are to be kept. `check` raises if another session writes there now.
    """

    def __init__(
        self,
        store: Store,
        remote: Remote,
        *,
        keep: Keep,
        best: Callable[[], Best | None],
        record: Callable[[], SessionRecord],
        clock: Callable[[], float],
        check: Callable[[], None] = lambda: None,
        damaged: Collection[str] = (),
    ) -> None:
        self._store = store
        self._remote = remote
        self._keep = keep
        self._best = best
        self._record = record
        self._clock = clock
        self._check = check
        self._catalog = Catalog(remote)
        self._damaged = frozenset(damaged)
        self._journals: dict[str, tuple[int, str]] | None = None
        self._beaten = float("-inf")
        self._sent: Manifest | None = None
        self._gauge = Gauge(clock)
        self._no_room: set[str] = set()
        self.space: Space | None = None
        """What the remote said of its space with the last sign of life; None if it does not tell."""

    @property
    def sending(self) -> Sending | None:
        """What is on its way at the moment."""
        return self._gauge.value

    @property
    def sent(self) -> Manifest | None:
        """The newest checkpoint that the remote has taken whole."""
        return self._sent

    @property
    def safe(self) -> Manifest | None:
        """The newest checkpoint that the remote has confirmed; None where it confirms nothing."""
        return self._sent if self._remote.confirms else None

    def forget(self) -> None:
        """Look at the remote afresh in the next round: after a failure nobody knows what it holds."""
        self._journals = None

    def sync(self) -> None:
        """Send what is missing, tell that we live, sweep. Raises what the remote raises."""
        self._check()
        fresh = self._journals is None
        journals = self._refresh() if self._journals is None else self._journals
        self._no_room.clear()
        while (manifest := self._next()) is not None:
            try:
                self._upload(manifest, journals)
            except RemoteFull:
                if not self._made_room(manifest):
                    raise
            finally:
                self._gauge.end()
        self._send_journals(journals)
        self._beat()
        self._sweep(orphans_too=fresh)
        self._note_sent()

    def _refresh(self) -> dict[str, tuple[int, str]]:
        self._catalog.refresh()
        files = [(entry.name.rpartition("/")[2], entry.size) for entry in self._remote.list("journal")]
        journals = whole_journals(files)
        if not self._catalog.is_named:
            self._remote.put("run.json", FileSource(self._store.root / "run.json"))
        self._beaten = float("-inf")
        # Our record precedes our first pack, so that a pack without a live owner can be told from one on its way.
        self._beat()
        self._journals = journals
        return journals

    def _local(self) -> dict[str, Manifest]:
        found = {}
        for name in self._store.names():
            try:
                manifest = self._store.read(name)
            except CheckpointError:
                continue  # restore sets it aside, with the reason, at the next start
            if not self._store.missing(manifest):
                found[name] = manifest
        return found

    def _good(self) -> dict[str, Manifest]:
        complete = self._catalog.complete()
        return {name: manifest for name, manifest in complete.items() if name not in self._damaged}

    def _kept(self, local: dict[str, Manifest]) -> set[str]:
        return kept({**self._good(), **local}.values(), self._keep, self._best())

    def _next(self) -> Manifest | None:
        local, there = self._local(), self._good()
        lacking = self._kept(local) & local.keys() - there.keys() - self._no_room
        wanted = [local[name] for name in lacking]
        return max(wanted, key=lambda manifest: manifest.rank, default=None)

    def _upload(self, manifest: Manifest, journals: dict[str, tuple[int, str]]) -> None:
        with self._store.pinned(manifest.name):
            if self._store.missing(manifest):
                return  # retention was faster; the next look at the store no longer shows it
            # The smallest first: a mount begins to upload when the first file is closed.
            missing = sorted(self._catalog.missing(manifest), key=lambda pack: manifest.packs[pack].size)
            self._gauge.begin(manifest.step, sum(manifest.packs[pack].size for pack in missing))
            jobs = [partial(self._upload_pack, manifest, pack) for pack in missing]
            abreast(jobs, self._gauge.advance, what="transfer", at_a_time=_AT_A_TIME)
            self._send_journals(journals)
            self._check()
            self._remote.put(f"checkpoints/{manifest.name}.json", FileSource(self._store.manifest_path(manifest.name)))
        self._catalog.manifests[manifest.name] = manifest
        self._catalog.unreadable.pop(manifest.name, None)
        self._note_sent()

    def _upload_pack(self, manifest: Manifest, pack: str, tell: Tell) -> None:
        source = PackSource(self._store.pack_path(pack), manifest.packs[pack], tell)
        try:
            receipt = self._remote.put(f"packs/{pack}", source)
            source.prove()
        except DamagedCheckpoint as error:
            self._store.set_aside(manifest.name, error.what)
            raise
        if receipt.size != source.size:
            raise RemoteUnavailable(f"the remote stored other bytes for {pack} than were sent", hint="it is sent again")
        self._catalog.packs[pack] = Entry(f"packs/{pack}", source.size)

    def _made_room(self, manifest: Manifest) -> bool:
        """The remote is full: give up the oldest checkpoint that this one can take the place of; whether to go on.

        The newest that is whole there always stays, and what is older than that is not worth another one.
        """
        good = sorted(self._good().values(), key=lambda one: one.rank)
        if good and manifest.rank < good[-1].rank:
            self._no_room.add(manifest.name)
            return True
        if self._may_name_any_pack():
            return False
        # While nothing is good, what is damaged stays, too: it may be all that somebody has.
        gone = [*self._catalog.unreadable, *self._catalog.manifests.keys() & self._damaged] if good else []
        gone = gone or [one.name for one in good[:-1]][:1]
        before = len(self._catalog.packs)
        self._delete(gone, [manifest], orphans_too=True)
        return bool(gone) or len(self._catalog.packs) < before

    def _send_journals(self, sent: dict[str, tuple[int, str]]) -> None:
        """What is longer here than there is sent whole, under a new name: a torn copy must not cost the old one."""
        for path in sorted(self._store.journals.glob("*.jsonl")):
            size, old = sent.get(path.stem, (-1, ""))
            if path.stat().st_size > size:
                data = path.read_bytes()
                name = journal_copy(path.stem, len(data))
                self._remote.put(f"journal/{name}", BytesSource(data))
                sent[path.stem] = (len(data), name)
                if old:
                    self._remote.delete(f"journal/{old}")

    def _beat(self) -> None:
        now, record = self._clock(), self._record()
        if now - self._beaten >= HEARTBEAT_SECONDS or record.ended is not None:
            self._remote.put(f"sessions/{record.file_name}", BytesSource(record.to_bytes()))
            self._beaten = now
            # Only shown: a remote that does not answer is met again by what comes next.
            with suppress(RemoteError):
                self.space = space_of(self._remote)

    def _sweep(self, *, orphans_too: bool) -> None:
        """Delete what retention lets go."""
        if self._may_name_any_pack():
            return
        local = self._local()
        keep = self._kept(local)
        good = self._good()
        gone = [name for name in good if name not in keep]
        if len(good) - len(gone) >= self._keep.last:
            gone += [name for name in self._catalog.manifests if name in self._damaged]
            gone += self._catalog.unreadable
        # What is still to be sent may refer to packs that are there already.
        self._delete(gone, [local[name] for name in keep & local.keys()], orphans_too=orphans_too)

    def _may_name_any_pack(self) -> bool:
        """Whether there is a manifest of a newer format: then nothing may go."""
        return not all(isinstance(error, DamagedCheckpoint) for error in self._catalog.unreadable.values())

    def _delete(self, gone: Collection[str], wanted: Collection[Manifest], *, orphans_too: bool = False) -> None:
        """These checkpoints, and the packs that neither those that stay nor those that are `wanted` refer to."""
        freed: set[str] = set()
        for name in gone:
            self._remote.delete(f"checkpoints/{name}.json")
            manifest = self._catalog.manifests.pop(name, None)
            freed |= manifest.packs.keys() if manifest is not None else set()
            self._catalog.unreadable.pop(name, None)
        if gone or orphans_too:
            self._sweep_packs([*self._catalog.manifests.values(), *wanted], freed)

    def _sweep_packs(self, manifests: Collection[Manifest], freed: Collection[str]) -> None:
        """Those that no manifest refers to; `freed` ones had one, so no session is still sending them."""
        live = {pack for manifest in manifests for pack in manifest.packs}
        over: dict[str, bool] = {self._record().id: True}
        for pack in sorted(self._catalog.packs.keys() - live):
            match = PACK.fullmatch(pack)
            if match is None or match[1] in self._catalog.unreadable:
                continue
            session = match[3]
            if session not in over:
                over[session] = self._is_over(session)
            if over[session] or pack in freed:
                self._remote.delete(f"packs/{pack}")
                del self._catalog.packs[pack]

    def _is_over(self, session: str) -> bool:
        """Whether this session will send no manifest for the packs it left: it ended, or is silent for a day."""
        for entry in self._remote.list("sessions"):
            if entry.name.endswith(f"-{session}.json"):
                sink = BytesIO()
                self._remote.get(entry.name, sink)
                try:
                    record = SessionRecord.from_bytes(sink.getvalue())
                except DamagedCheckpoint:
                    # Torn when its VM died: the name still says when it began.
                    return self._clock() - started_by_name(entry.name.rpartition("/")[2]) > _ORPHAN_SECONDS
                return record.ended is not None or self._clock() - record.heartbeat > _ORPHAN_SECONDS
        return False

    def _note_sent(self) -> None:
        self._sent = max(self._good().values(), key=lambda manifest: manifest.rank, default=None)
