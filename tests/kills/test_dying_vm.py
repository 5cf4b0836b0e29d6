"""A VM dies before, during or after each single operation on its remote, and the next one goes on.

The rounds of the mirror are run by hand, without its thread, so that every operation has its number. The remote is the
worst that the protocol allows: what dies in the middle of a `put` leaves half of the bytes under the final name.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Literal, get_args

import pytest

from colab_resume.checkpoints.digest import digest_of
from colab_resume.checkpoints.manifest import Facts, Manifest
from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.pack_file import verify_pack
from colab_resume.checkpoints.replica import Replica
from colab_resume.checkpoints.retention import Keep, kept
from colab_resume.checkpoints.store import Store
from colab_resume.display.bars import byte_bar
from colab_resume.errors import DamagedCheckpoint, NoGoodCheckpoint
from colab_resume.remotes import Remote
from colab_resume.restore import find
from colab_resume.sessions.identity import begin_session
from colab_resume.testing import DyingRemote, ManualClock, MemoryRemote, VMDied
from colab_resume.training.journal import Journal, Mark, history

__all__: list[str] = []

When = Literal["before", "during", "after"]

_STEPS = 5
_KEEP = Keep(last=2)
_NEVER = 10**6
_EXPECTED = [(step, {"loss": step / 3}) for step in range(1, _STEPS + 1)]


class _VM:
    """One life: it goes on from what it finds, and takes a checkpoint and a round of the mirror at every step."""

    def __init__(self, disk: Path, remote: Remote, session: str, clock: ManualClock) -> None:
        self._remote = remote
        self._session = session
        self._clock = clock
        self.store = Store(disk, session=session)
        self.first: int | None = None
        self.safe: int | None = None
        self.history: list[tuple[int, object]] = []
        self._journal: Journal | None = None

    def live(self) -> None:
        """To the end, or until the remote says that the VM has died."""
        try:
            self._live()
        finally:
            if self._journal is not None:
                self._journal.close()
            self.store.close()

    def _live(self) -> None:
        search = find(self.store, self._remote, progress=byte_bar)
        parent = search.good.manifest if search.good else None
        if parent is not None:
            assert _weight(self.store, parent) == parent.step
            self.first = parent.step
        mark = Mark.from_json(parent.journal) if parent else None
        journal = self._journal = Journal(self.store.journals, self._session, mark)
        begun = begin_session(session=self._session, now=self._clock(), step=0, restored=None, versions={})
        ended = False
        replica = Replica(
            self.store,
            self._remote,
            keep=_KEEP,
            best=lambda: None,
            record=lambda: begun.end("clean", self._clock()) if ended else begun.beat(self._clock(), 0),
            clock=self._clock,
            damaged=search.set_aside,
        )
        for step in range(self.first + 1 if self.first else 1, _STEPS + 1):
            journal.log(step, {"loss": step / 3})
            journal.sync()
            parent = self.store.commit(
                slabs=_slabs(step), **self._facts(step, parent, search.generation + 1, journal.mark())
            )
            self.store.sweep(kept([self.store.read(name) for name in self.store.names()], _KEEP, None))
            self._sync(replica)
            self._clock.advance(61)
        ended = True
        self._sync(replica)
        found = history(self.store.journals, mark, live=journal)
        assert not found.flaws
        self.history = [(record.step, record.values) for record in found.records]

    def _sync(self, replica: Replica) -> None:
        try:
            replica.sync()
        finally:
            self.safe = replica.safe.step if replica.safe else self.safe

    def _facts(self, step: int, parent: Manifest | None, generation: int, mark: Mark) -> Facts:
        return Facts(
            step=step,
            generation=generation,
            parent=parent.name if parent else None,
            created=self._clock(),
            state={},
            position={},
            journal={"session": mark.session, "bytes": mark.bytes, "sha256": mark.sha256},
            provenance={},
        )


def _slabs(step: int) -> list[Slab]:
    """A backbone that never changes, so that all checkpoints lean on the first one's pack, and a weight that does."""
    backbone, weight = b"b" * 4000, step.to_bytes(8, "little")
    return [
        Slab("backbone", "U8", (4000,), backbone, digest_of(backbone)),
        Slab("weight", "I64", (1,), weight, digest_of(weight)),
    ]


def _weight(store: Store, manifest: Manifest) -> int:
    read = store.reader(manifest)
    assert bytes(read(0).tolist()) == b"b" * 4000
    return int(read(1).item())


def _manifests(remote: Remote) -> tuple[list[Manifest], list[str]]:
    """The checkpoints on the remote, the newest first, and the manifests that are none."""
    manifests, flaws = [], []
    for entry in remote.list("checkpoints"):
        sink = BytesIO()
        remote.get(entry.name, sink)
        try:
            manifests.append(Manifest.from_bytes(sink.getvalue(), Path(entry.name).stem))
        except DamagedCheckpoint:
            flaws.append(entry.name)
    return sorted(manifests, key=lambda manifest: manifest.rank, reverse=True), flaws


def _whole(remote: Remote, folder: Path) -> list[int]:
    """The steps of the checkpoints on the remote, the newest first; each must have all of its packs, bit by bit."""
    manifests, _ = _manifests(remote)
    for pack, info in {pack: info for manifest in manifests for pack, info in manifest.packs.items()}.items():
        copy = folder / "copy"
        with copy.open("wb") as sink:
            remote.get(f"packs/{pack}", sink)
        verify_pack(copy, info)
    return [manifest.step for manifest in manifests]


@dataclass
class _World:
    """The remote, which outlives every VM, and what has become of the run so far."""

    folder: Path

    def __post_init__(self) -> None:
        self.remote = MemoryRemote()
        self.clock = ManualClock()
        self.safe = 0
        self._lives = 0
        self._disk = self.folder / "disk"

    def live(self, *, new_vm: bool = False, dies_at: int = _NEVER, when: When = "before") -> _VM | None:
        """One more life; None if the VM died. What was safe before must be there, and all that is there is whole."""
        self._lives += 1
        self.clock.advance(100)
        if new_vm:
            self._disk = self.folder / f"disk{self._lives}"
        vm = _VM(self._disk, DyingRemote(self.remote, dies_at, when=when), f"vm000{self._lives}", self.clock)
        try:
            vm.live()
        except VMDied:
            died = True
        else:
            died = False
        assert vm.first is None or vm.first >= self.safe
        assert max(_whole(self.remote, self.folder), default=0) >= (vm.safe or 0)
        self.safe = vm.safe or self.safe
        return None if died else vm

    def check_end(self, vm: _VM | None) -> None:
        """The training has come to its end, and it is as if nobody had died."""
        assert vm is not None
        assert vm.history == _EXPECTED
        assert self.safe == _STEPS

    @property
    def holds_half_a_manifest_only(self) -> bool:
        """Nobody can tell it from a checkpoint that was whole once, so nobody may begin anew without a word."""
        return bool(self.remote.list("checkpoints")) and not _whole(self.remote, self.folder)


@pytest.mark.parametrize("new_vm", [True, False], ids=["new VM", "same disk"])
@pytest.mark.parametrize("when", get_args(When))
def test_wherever_the_vm_dies_the_remote_is_whole_and_the_next_one_goes_on(
    tmp_path: Path, when: When, new_vm: bool
) -> None:
    """At every operation: no manifest without its packs, nothing that was safe is lost, and the next life completes."""
    refused = 0
    for nth in count(1):
        world = _World(tmp_path / str(nth))
        if world.live(dies_at=nth, when=when):
            break
        if new_vm and world.holds_half_a_manifest_only:
            with pytest.raises(NoGoodCheckpoint):
                world.live(new_vm=True)
            refused += 1
        else:
            world.check_end(world.live(new_vm=new_vm))
    assert nth > 30, "that many operations are too few for five checkpoints"
    assert refused <= 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_a_vm_that_dies_while_it_mends_what_another_left_harms_nothing(tmp_path: Path, seed: int) -> None:
    """The same with three deaths in a row, at operations taken by chance."""
    choose = random.Random(seed)
    for number in range(10):
        world = _World(tmp_path / str(number))
        for _ in range(3):
            if world.holds_half_a_manifest_only:
                break
            when = choose.choice(get_args(When))
            world.live(new_vm=choose.random() < 0.5, dies_at=choose.randint(1, 25), when=when)
        else:
            if not world.holds_half_a_manifest_only:
                world.check_end(world.live(new_vm=True))


@pytest.mark.parametrize("when", get_args(When))
def test_a_day_after_a_death_nothing_is_left_of_what_it_broke(tmp_path: Path, when: When) -> None:
    """Packs of checkpoints that never came about are deleted, and so is half a manifest."""
    for nth in range(1, 37):
        world = _World(tmp_path / str(nth))
        world.live(dies_at=nth, when=when)
        if world.holds_half_a_manifest_only:
            continue
        world.live(new_vm=True)
        world.clock.advance(25 * 3600)
        world.live(new_vm=True)
        manifests, flaws = _manifests(world.remote)
        assert not flaws, nth
        used = {pack for manifest in manifests for pack in manifest.packs}
        assert {Path(entry.name).name for entry in world.remote.list("packs")} == used, nth
