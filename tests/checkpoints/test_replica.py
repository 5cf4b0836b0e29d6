"""One round of the mirror: what it sends, in which order, what it deletes, and what it leaves alone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from checkpoints.drafts import SESSION, commit, sealed, slab
from reads import Reads

from colab_resume.checkpoints.replica import HEARTBEAT_SECONDS, Replica
from colab_resume.checkpoints.retention import Best, Keep
from colab_resume.checkpoints.store import Store
from colab_resume.errors import DamagedCheckpoint, RemoteFull, RemoteUnavailable
from colab_resume.remotes import BytesSource, Receipt, Remote, Source
from colab_resume.sessions.identity import SessionRecord
from colab_resume.status import Sending
from colab_resume.testing import ManualClock, MemoryRemote

DAY = 24 * 3600.0


class Witness(MemoryRemote):
    """A remote in memory that remembers what was put and deleted, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, str]] = []

    def put(self, name: str, source: Source) -> Receipt:
        self.seen.append(("put", name))
        return super().put(name, source)

    def delete(self, name: str) -> None:
        self.seen.append(("delete", name))
        super().delete(name)

    def names(self, folder: str) -> list[str]:
        return [entry.name.removeprefix(f"{folder}/") for entry in self.list(folder)]


def record(session: str = SESSION, *, heartbeat: float = 1_000_000.0, **changed: Any) -> SessionRecord:
    usual = {"host": "h", "pid": 1, "boot_id": None, "started": 1_000_000.0, "step": 0, "versions": {}}
    return SessionRecord(id=session, heartbeat=heartbeat, **{**usual, **changed})


def mirroring(store: Store, remote: Remote, clock: ManualClock, *, keep: Keep | None = None) -> Replica:
    """The store's counterpart, with nothing special about it."""

    def alive() -> SessionRecord:
        return record(store.session, heartbeat=clock())

    return Replica(store, remote, keep=keep or Keep(), best=lambda: None, record=alive, clock=clock)


@pytest.fixture
def remote() -> Witness:
    return Witness()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def replica(store: Store, remote: Witness, clock: ManualClock) -> Callable[..., Replica]:
    def make(*, last: int = 2, best: Best | None = None, **options: Any) -> Replica:
        def alive() -> SessionRecord:
            return record(heartbeat=clock())

        return Replica(store, remote, keep=Keep(last=last), best=lambda: best, record=alive, clock=clock, **options)

    return make


def test_a_manifest_comes_after_its_packs_and_its_journal(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """Whoever sees the manifest sees all that it names."""
    store.journal_path(SESSION).write_bytes(b"{}\n")
    made = commit(store, 5, slab("a", 1, 8000), slab("b", 2, 8000))
    replica().sync()
    puts = [name for verb, name in remote.seen if verb == "put" and not name.startswith(("sessions/", "run.json"))]
    assert len(made.packs) == 2
    assert sorted(puts[:2]) == [f"packs/{pack}" for pack in sorted(made.packs)]
    assert puts[2:] == [f"journal/{SESSION}-3.jsonl", f"checkpoints/{made.name}.json"]


def test_the_session_says_that_it_is_there_before_its_first_pack(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """So that a pack on its way can be told from one that a dead session left."""
    commit(store, 5)
    replica().sync()
    names = [name for _, name in remote.seen]
    assert names.index(f"sessions/{record().file_name}") < min(n for n, name in enumerate(names) if "packs/" in name)


def test_what_retention_would_drop_is_never_sent(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """When uploads are slower than saves, the intermediate ones are skipped; the newest goes first."""
    made = [commit(store, step) for step in (1, 2, 3, 4)]
    replica().sync()
    sent = [name for verb, name in remote.seen if verb == "put" and name.startswith("checkpoints/")]
    assert sent == [f"checkpoints/{manifest.name}.json" for manifest in (made[3], made[2])]


def test_an_old_checkpoint_goes_manifest_first_and_shared_packs_stay(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """What a newer one refers to outlives the one it was written for."""
    first = commit(store, 1, slab("frozen", 1), slab("free", 1, 900))
    mirror = replica()
    mirror.sync()
    before = first
    for step in (2, 3, 4):
        before = commit(store, step, slab("frozen", 1), slab("free", step, 900), parent=before.name)
        mirror.sync()
    assert remote.names("checkpoints") == [f"{name}.json" for name in store.names()[-2:]]
    live = {pack for name in store.names()[-2:] for pack in store.read(name).packs}
    assert set(remote.names("packs")) == live
    deleted = [name for verb, name in remote.seen if verb == "delete"]
    gone = deleted.index(f"checkpoints/{first.name}.json")
    assert all(not name.startswith("packs/") for name in deleted[:gone])


def test_nothing_new_costs_nothing(
    store: Store, remote: Witness, clock: ManualClock, replica: Callable[..., Replica]
) -> None:
    """Between checkpoints there is one small write a minute: the sign of life."""
    commit(store, 1)
    mirror = replica()
    mirror.sync()
    remote.seen.clear()
    for _ in range(6):
        clock.advance(HEARTBEAT_SECONDS / 3)
        mirror.sync()
    assert remote.seen == [("put", f"sessions/{record().file_name}")] * 2


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        ({"ended": "clean"}, False),
        ({"heartbeat": 1_000_000.0 + 3600}, True),
        (None, True),
    ],
    ids=["ended", "silent for less than a day", "unknown"],
)
def test_a_pack_without_a_manifest_is_deleted_only_when_nobody_can_still_send_one(  # noqa: PLR0917 - fixtures
    store: Store,
    remote: Witness,
    clock: ManualClock,
    replica: Callable[..., Replica],
    left: dict[str, Any] | None,
    expected: bool,
) -> None:
    """It may be on its way from a session that we only cannot see."""
    orphan = "0000000009-zzzzzz-0.safetensors"
    remote.put(f"packs/{orphan}", BytesSource(b"half"))
    if left is not None:
        stray = record("zzzzzz", **left)
        remote.put(f"sessions/{stray.file_name}", BytesSource(stray.to_bytes()))
    clock.advance(DAY)
    commit(store, 1)
    replica().sync()
    assert (orphan in remote.names("packs")) is expected
    if left is not None:
        clock.advance(DAY)
        replica().sync()
        assert orphan not in remote.names("packs")


def test_a_folder_that_a_newer_version_wrote_to_is_not_swept(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """Its manifests may name any pack."""
    name = "0000000003-newone"
    remote.put(f"checkpoints/{name}.json", BytesSource(sealed({"format": 99})))
    orphan = f"0000000002-{SESSION}-0.safetensors"
    remote.put(f"packs/{orphan}", BytesSource(b"?"))
    for step in (1, 2, 3, 4):
        commit(store, step)
        replica().sync()
    assert orphan in remote.names("packs")
    assert f"{name}.json" in remote.names("checkpoints")
    assert not [name for verb, name in remote.seen if verb == "delete"]


def test_what_was_set_aside_counts_for_nothing_and_goes_when_there_are_enough_good_ones(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """It looks whole from outside, and would else be the newest for ever."""
    bad = commit(store, 9, generation=1)
    replica().sync()
    store.set_aside(bad.name, "a flipped bit")
    mirror = replica(damaged={bad.name})
    good = [commit(store, 8, generation=2)]
    mirror.sync()
    assert mirror.safe is not None
    assert mirror.safe.name == good[0].name
    assert f"{bad.name}.json" in remote.names("checkpoints")
    good.append(commit(store, 10, generation=2))
    mirror.sync()
    assert remote.names("checkpoints") == [f"{manifest.name}.json" for manifest in good]


class Altering(Witness):
    """Stores something else than it was given, as a flaky cable does, and says so in its receipt."""

    def __init__(self) -> None:
        super().__init__()
        self.alters = True

    def put(self, name: str, source: Source) -> Receipt:
        receipt = super().put(name, source)
        return Receipt(name, receipt.size - 1) if self.alters and name.startswith("packs/") else receipt


def test_other_bytes_than_were_sent_are_sent_again(store: Store, clock: ManualClock) -> None:
    """A receipt with another size is a failure that passes; no manifest is put over it."""
    remote = Altering()
    mirror = mirroring(store, remote, clock)
    made = commit(store, 1)
    with pytest.raises(RemoteUnavailable, match="stored other bytes"):
        mirror.sync()
    assert mirror.safe is None
    assert remote.names("checkpoints") == []
    remote.alters = False
    mirror.forget()
    mirror.sync()
    assert mirror.safe == made


def test_a_checkpoint_that_rots_on_our_own_disk_is_never_sent(store: Store, clock: ManualClock) -> None:
    """That is found while it is read to be sent: no byte string of the pack's name ever appears on the remote."""
    remote = Witness()
    mirror = mirroring(store, remote, clock)
    made = commit(store, 1)
    path = store.pack_path(next(iter(made.packs)))
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(DamagedCheckpoint):
        mirror.sync()
    assert store.names() == []
    assert remote.names("packs") == []
    mirror.forget()
    mirror.sync()
    assert remote.names("checkpoints") == []


def test_a_pack_is_read_once(store: Store, clock: ManualClock) -> None:
    """To be sent, and proved on the way."""
    remote, size = Witness(), 3 << 20
    commit(store, 1, slab("a", 1, size))
    mirror = mirroring(store, remote, clock)
    reads = Reads()
    mirror.sync()
    assert round(reads.bytes / size, 1) == 1
    assert remote.names("checkpoints")


def test_what_confirms_nothing_makes_nothing_safe(
    store: Store, remote: Witness, replica: Callable[..., Replica]
) -> None:
    """A mounted Drive takes the bytes before it has uploaded them."""
    remote.confirms = False  # type: ignore[misc]
    made = commit(store, 1)
    mirror = replica()
    mirror.sync()
    assert (mirror.sent, mirror.safe) == (made, None)


class Meeting(Witness):
    """A remote that stores a pack only when four are being sent at once."""

    def __init__(self) -> None:
        super().__init__()
        self._barrier = threading.Barrier(4)

    def put(self, name: str, source: Source) -> Receipt:
        if name.startswith("packs/"):
            self._barrier.wait(60)
        return super().put(name, source)


def test_packs_are_sent_four_at_a_time(tmp_path: Path, clock: ManualClock) -> None:
    """What a remote takes for each beside its bytes is hidden; the manifest still comes last."""
    remote = Meeting()
    with contextlib.closing(Store(tmp_path / "store", session=SESSION, pack_bytes=4000)) as store:
        made = commit(store, 1, *(slab(f"t{number}", number, 3000) for number in range(4)))
        mirror = mirroring(store, remote, clock)
        mirror.sync()
    assert len(made.packs) == 4
    assert remote.seen[-1] == ("put", f"checkpoints/{made.name}.json")
    assert not [thread for thread in threading.enumerate() if "transfer" in thread.name]


class Halting(Witness):
    """A remote that takes two seconds for the first bytes of a pack, and goes on when what it took has been seen."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._clock = clock
        self.seen_so_far: Callable[[], Sending | None] = lambda: None
        self.sendings: list[Sending] = []

    def put(self, name: str, source: Source) -> Receipt:
        if name.startswith("packs/"):
            with source.open() as stream:
                self._clock.advance(2.0)
                count = len(stream.read(4 << 20))
            give_up = time.monotonic() + 60
            while (sending := self.seen_so_far()) is None or sending.sent < count:
                assert time.monotonic() < give_up
            self.sendings.append(sending)
        return super().put(name, source)


def test_what_is_on_its_way_can_be_seen(tmp_path: Path, clock: ManualClock) -> None:
    """Bytes, rate and the seconds that are left, while a pack is sent; nothing before and after."""
    remote = Halting(clock)
    with contextlib.closing(Store(tmp_path / "store", session=SESSION)) as store:
        made = commit(store, 7, slab("a", 1, 6 << 20))
        mirror = mirroring(store, remote, clock)
        remote.seen_so_far = lambda: mirror.sending
        assert mirror.sending is None
        mirror.sync()
    [sending], size = remote.sendings, sum(info.size for info in made.packs.values())
    assert (sending.step, sending.sent, sending.size) == (7, 4 << 20, size)
    assert sending.rate == (4 << 20) / 2
    assert sending.seconds_left == pytest.approx((size - (4 << 20)) / (2 << 20))
    assert mirror.sending is None


class Full(Witness):
    """A remote for so many bytes of packs."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def put(self, name: str, source: Source) -> Receipt:
        used = sum(entry.size for entry in self.list("packs") if entry.name != name)
        if name.startswith("packs/") and used + source.size > self.room:
            raise RemoteFull("there is no space", hint="make some")
        return super().put(name, source)


def test_a_full_remote_gives_up_its_oldest_checkpoints_for_a_newer_one(store: Store, clock: ManualClock) -> None:
    """There is room for two of the three that are to be kept: the newest two are there, whole."""
    remote = Full(2 * 9000)
    mirror = mirroring(store, remote, clock, keep=Keep(last=3))
    for step in range(1, 6):
        made = commit(store, step, slab("a", step, 8000))
        mirror.sync()
        assert mirror.safe == made
    assert len(remote.names("checkpoints")) == 2
    assert remote.names("checkpoints")[-1] == f"{made.name}.json"


def test_what_a_dead_session_left_makes_room_at_once(tmp_path: Path, store: Store, clock: ManualClock) -> None:
    """Its checkpoints were whole, so nobody is still sending their packs, even if it died just now."""
    remote = Full(2 * 9000)
    with contextlib.closing(Store(tmp_path / "other", session="other1")) as other:
        dead = Replica(
            other,
            remote,
            keep=Keep(),
            best=lambda: None,
            record=lambda: record("other1", heartbeat=clock()),
            clock=clock,
        )
        for step in (1, 2):
            commit(other, step, slab("a", step, 8000))
            dead.sync()
    mirror = mirroring(store, remote, clock)
    made = commit(store, 3, slab("a", 3, 8000), generation=2)
    mirror.sync()
    assert mirror.safe == made


def test_the_last_good_checkpoint_is_never_given_up(store: Store, clock: ManualClock) -> None:
    """There is room for one: the first stays until somebody makes space, and then it goes on by itself."""
    remote = Full(9000)
    mirror = mirroring(store, remote, clock)
    first = commit(store, 1, slab("a", 1, 8000))
    mirror.sync()
    second = commit(store, 2, slab("a", 2, 8000))
    for _ in range(2):
        with pytest.raises(RemoteFull):
            mirror.sync()
        mirror.forget()
        assert mirror.safe == first
        assert remote.names("packs") == sorted(first.packs)
    remote.room *= 2
    mirror.sync()
    assert mirror.safe == second


def test_a_full_remote_gives_up_nothing_beside_a_checkpoint_of_a_newer_version(
    store: Store, clock: ManualClock
) -> None:
    """That one may name any pack."""
    remote = Full(2 * 9000)
    remote.put("checkpoints/0000000003-newone.json", BytesSource(sealed({"format": 99})))
    mirror = mirroring(store, remote, clock)
    for step in (1, 2):
        commit(store, step, slab("a", step, 8000))
        mirror.sync()
    commit(store, 3, slab("a", 3, 8000))
    with pytest.raises(RemoteFull):
        mirror.sync()
    assert not [name for verb, name in remote.seen if verb == "delete"]


def test_a_full_remote_keeps_what_is_damaged_while_nothing_is_good(store: Store, clock: ManualClock) -> None:
    """It may be all that somebody has."""
    remote = Full(1000)
    remote.put("checkpoints/0000000003-aaaaaa.json", BytesSource(b"torn"))
    commit(store, 1, slab("a", 1, 8000))
    with pytest.raises(RemoteFull):
        mirroring(store, remote, clock).sync()
    assert remote.names("checkpoints") == ["0000000003-aaaaaa.json"]


def test_what_has_arrived_of_a_checkpoint_is_not_given_up_for_the_rest(tmp_path: Path, clock: ManualClock) -> None:
    """Half of it fits beside the old ones; that half is sent once."""
    remote = Full(5 * 4500)
    with contextlib.closing(Store(tmp_path / "store", session=SESSION, pack_bytes=5000)) as store:
        mirror = mirroring(store, remote, clock)
        for step in range(1, 4):
            made = commit(store, step, slab("a", 2 * step, 4000), slab("b", 2 * step + 1, 4000))
            mirror.sync()
    assert mirror.safe == made
    assert len(made.packs) == 2
    for pack in made.packs:
        assert remote.seen.count(("put", f"packs/{pack}")) <= 2
        assert ("delete", f"packs/{pack}") not in remote.seen


def test_nothing_else_is_given_up(store: Store, clock: ManualClock) -> None:
    """What lies beside the checkpoints stays whatever happens, and so do packs that a kept one refers to."""
    remote = Full(3 * 9000)
    for name in ("notes.txt", "packs/mine.bin", "checkpoints/readme.md", "photos/a.jpg"):
        MemoryRemote.put(remote, name, BytesSource(b"mine"))
    mirror = mirroring(store, remote, clock, keep=Keep(last=9))
    parent = None
    for step in range(1, 6):
        parent = commit(store, step, slab("base", 0, 8000), slab("a", step, 8000), parent=parent).name
        mirror.sync()
    for name in ("notes.txt", "packs/mine.bin", "checkpoints/readme.md", "photos/a.jpg"):
        remote.get(name, BytesIO())
    for name in remote.names("checkpoints"):
        if name.endswith(".json"):
            manifest = store.read(name.removesuffix(".json"))
            assert manifest.packs.keys() <= set(remote.names("packs"))
