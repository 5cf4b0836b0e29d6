"""A VM that trains: its disk, the lease, and the rounds of its mirror, with no thread and no waiting.

A round is what the mirror's thread does: what the remote refuses becomes a state that is told, and the next round goes
on. Anything else that is raised would have come out of the thread, so it comes out here and fails the test.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from checkpoints.drafts import facts, slab

from colab_resume.checkpoints.manifest import Manifest
from colab_resume.checkpoints.pack import Slab
from colab_resume.checkpoints.replica import Replica
from colab_resume.checkpoints.retention import Keep, kept
from colab_resume.checkpoints.store import Store
from colab_resume.errors import CheckpointError, ColabResumeError, RemoteError
from colab_resume.remotes import Remote
from colab_resume.remotes.prefixed import PrefixedRemote
from colab_resume.remotes.retrying import Retrying
from colab_resume.restore import find
from colab_resume.sessions.identity import SessionRecord
from colab_resume.sessions.lease import lease_for
from colab_resume.testing import ManualClock

__all__ = ["VM", "Place", "Sizes", "tensors"]


class Sizes(Protocol):
    """How large the tensors are: one that never changes, one that goes into a pack of its own, and two small ones."""

    frozen: int
    large: int
    small: int


class Place(Protocol):
    """A Drive. `made` is what was committed, by name; `best` the newest that was ever called safe."""

    clock: ManualClock
    sizes: Sizes
    made: dict[str, list[bytes]]
    best: Manifest | None
    vms: list[VM]

    def remote(self, disk: Path) -> Remote:
        """A client of its own on a VM with this disk."""
        ...

    def truth(self) -> Path:
        """What a fresh VM would find on Drive; duplicates are an AssertionError."""
        ...

    def secrets(self) -> set[str]:
        """What must never be shown."""
        ...


def tensors(sizes: Sizes, step: int, salt: int) -> list[Slab]:
    """Of one step: others in each step but the first one; `salt` tells the sessions apart."""
    mixed = 7 * step + 31 * salt
    return [
        slab("frozen", 1, sizes.frozen),
        slab("large", mixed + 2, sizes.large),
        slab("a", mixed + 3, sizes.small),
        slab("b", mixed + 4, sizes.small),
    ]


class VM:
    """One session after the other in one place; `restart` begins the next one on the same disk."""

    def __init__(self, place: Place, disk: Path, session: str, *, keep: int = 2) -> None:
        self.place = place
        self.disk = disk
        self.session = session
        self._keep = Keep(last=keep)
        self.step = 0
        self.generation = 1
        self.newest: Manifest | None = None
        self.damaged: frozenset[str] = frozenset()
        self.told: list[ColabResumeError] = []
        place.vms.append(self)
        self.store: Store | None = None
        self.open()

    def open(self) -> None:
        """The disk, and a client that knows nothing yet."""
        sizes, clock = self.place.sizes, self.place.clock
        pack_bytes = max(sizes.large, sizes.frozen, 2 * sizes.small) + 1
        self.store = Store(self.disk / "run", session=self.session, pack_bytes=pack_bytes)
        far = PrefixedRemote(self.place.remote(self.disk), "run")
        self.remote = Retrying(far, wait=clock.wait, jitter=random.Random(1).random)
        self.record = SessionRecord(
            id=self.session,
            host=f"host of {self.session}",
            pid=1,
            boot_id=self.session,
            started=clock(),
            heartbeat=clock(),
            step=0,
            versions={},
        )
        self._lease = lease_for(self.remote, self.record, clock=clock, wait=clock.wait, chance=random.Random(2).random)
        self._mirror()

    def close(self) -> None:
        """The process ends without a word."""
        if self.store is not None:
            self.store.close()
            self.store = None

    def restart(self, session: str) -> None:
        """Another kernel on the same VM."""
        self.close()
        self.session = session
        self.open()

    def start(self) -> ColabResumeError | None:
        """What `setup` does: get the lease, if it is to be had, and restore; the error that it would raise."""
        # A remote that takes nothing is no reason not to train: the mirror asks for the lease again.
        self.claim()
        return self.restore()

    def claim(self) -> RemoteError | None:
        """Take the lease, whoever has it."""
        try:
            self._lease.acquire(takeover=True)
        except RemoteError as error:
            self._tell(error)
            return error
        return None

    def restore(self) -> ColabResumeError | None:
        """Look for the newest good checkpoint, and go on from there."""
        try:
            self._restore()
        except (RemoteError, CheckpointError) as error:
            self._tell(error)
            return error
        best = self.place.best
        if best is not None:
            assert self.newest is not None, "what was safe is not found"
            assert self.newest.rank >= best.rank, f"{best.name} was safe, and {self.newest.name} is gone on from"
        return None

    @property
    def has_lease(self) -> bool:
        return self._lease.number > 0

    def train(self, *, keep_all: bool = False) -> Manifest:
        """One step, and a checkpoint of it on the VM's disk."""
        assert self.store is not None
        self.step += 1
        salt = int(self.session[1:], 36)
        slabs = tensors(self.place.sizes, self.step, salt)
        given = facts(
            self.step,
            generation=self.generation,
            parent=self.newest.name if self.newest is not None else None,
            created=self.place.clock(),
            journal=self._log(),
            state={},
        )
        self.newest = self.store.commit(slabs=slabs, **given)
        self.place.made[self.newest.name] = [b"".join(bytes(view) for view in one.views()) for one in slabs]
        if not keep_all:
            manifests = [self.store.read(name) for name in self.store.names()]
            self.store.sweep(kept(manifests, self._keep, None))
        return self.newest

    def round(self) -> ColabResumeError | None:
        """One round of the mirror; what kept the remote from being equal to the store."""
        try:
            self.replica.sync()
        except ColabResumeError as error:
            self.replica.forget()
            self._tell(error)
            return error
        finally:
            self._note_safe()
        return None

    def keep(self, last: int) -> None:
        """From now on so many checkpoints stay."""
        self._keep = Keep(last=last)
        self._mirror()

    def _mirror(self) -> None:
        assert self.store is not None
        self.replica = Replica(
            self.store,
            self.remote,
            keep=self._keep,
            best=lambda: None,
            record=self._alive,
            clock=self.place.clock,
            check=self._lease.check,
            damaged=self.damaged,
        )

    def _restore(self) -> None:
        assert self.store is not None
        search = find(self.store, self.remote, progress=lambda what, total: _untold())
        self.damaged = frozenset(search.set_aside)
        self.newest = search.good.manifest if search.good is not None else None
        self.step = self.newest.step if self.newest is not None else 0
        self.generation = search.generation + 1
        self._mirror()

    def _alive(self) -> SessionRecord:
        return replace(self.record.beat(self.place.clock(), self.step), lease=self._lease.number)

    def _log(self) -> dict[str, object]:
        """One more line in the journal; the mark that a checkpoint keeps of it."""
        assert self.store is not None
        path = self.store.journal_path(self.session)
        if not path.exists():
            path.write_text(json.dumps({"session": self.session, "parent": None}) + "\n")
        with path.open("a") as stream:
            stream.write(json.dumps({"step": self.step, "loss": 1 / self.step}) + "\n")
        content = path.read_bytes()
        return {"session": self.session, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    def _tell(self, error: ColabResumeError) -> None:
        check_words(error, self.place.secrets())
        self.told.append(error)

    def _note_safe(self) -> None:
        safe, best = self.replica.safe, self.place.best
        if safe is not None and (best is None or safe.rank > best.rank):
            self.place.best = safe


@contextmanager
def _untold() -> Iterator[object]:
    yield lambda count: None


def check_words(error: ColabResumeError, secrets: set[str]) -> None:
    """What a user reads is a line and a hint, of things that he knows, and gives nothing away."""
    for line in (error.what, error.hint):
        assert line.strip(), f"{error!r} says nothing"
        assert "\n" not in line, f"more than a line: {line}"
        for sign in ("<Http", "Traceback", " object at 0x", "Errno", "b'", "upload_id", "ya29", "Exception("):
            assert sign not in line, f"{sign!r} is no word for people: {line}"
        for secret in secrets:
            assert secret not in line, "a secret is shown"
    line = f"{error.what} -> {error.hint}"
    assert len(line) <= 300, f"{len(line)} characters are too many: {line}"
