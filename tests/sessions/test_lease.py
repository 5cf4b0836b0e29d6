"""The lease: of all who want to write to a run, one does, and the others are told."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import BinaryIO

import pytest

from colab_resume.errors import Overtaken, RemoteRefused, RunInUse
from colab_resume.remotes import BytesSource, Entry, Receipt, Remote, Source
from colab_resume.sessions.identity import SessionRecord
from colab_resume.sessions.lease import lease_for
from colab_resume.sessions.machine import read_boot_id
from colab_resume.testing import ManualClock, MemoryRemote

NOW = 1_000_000.0


class SwappingRemote(MemoryRemote):
    """A remote in memory that can compare and swap."""

    def __init__(self) -> None:
        super().__init__()
        self._cell = threading.Lock()
        self._tags: dict[str, tuple[bytes, str]] = {}

    def read_tagged(self, name: str) -> tuple[bytes, str] | None:
        with self._cell:
            return self._tags.get(name)

    def swap(self, name: str, data: bytes, tag: str | None) -> str:
        with self._cell:
            if (self._tags[name][1] if name in self._tags else None) != tag:
                raise Overtaken("changed", hint="read it again")
            self._tags[name] = data, f"{int(tag or 0) + 1}"
            return self._tags[name][1]


KINDS = [MemoryRemote, SwappingRemote]


def record(session: str, *, started: float = NOW, **changed: object) -> SessionRecord:
    """One on another machine, unless something else is said."""
    usual: dict[str, object] = {"host": "other", "pid": 1, "boot_id": "another", "step": 0, "versions": {}}
    return SessionRecord(id=session, started=started, **{"heartbeat": started, **usual, **changed})  # type: ignore[arg-type]


class Starter:
    """A session that wants the lease."""

    def __init__(
        self, remote: Remote, clock: ManualClock, *, seed: int = 0, told: list[str] | None = None, **options: object
    ) -> None:
        self._remote = remote
        tell = (told if told is not None else []).append
        self._options = {
            "clock": clock,
            "wait": clock.wait,
            "chance": random.Random(seed).random,
            "tell": tell,
        } | options

    def acquire(self, one: SessionRecord, *, takeover: bool = False) -> SessionRecord:
        """The record with the number of its claim."""
        self._lease = lease_for(self._remote, one, **self._options)  # type: ignore[arg-type]
        self._lease.acquire(takeover=takeover)
        return replace(one, lease=self._lease.number)

    def check(self) -> None:
        self._lease.check()


@pytest.fixture(params=KINDS)
def remote(request: pytest.FixtureRequest) -> Remote:
    made: Remote = request.param()
    return made


def test_the_first_session_gets_it_and_keeps_it(remote: Remote) -> None:
    """Its claim has a number, and lies on the remote with its record."""
    clock = ManualClock(NOW)
    mine = Starter(remote, clock)
    claim = mine.acquire(record("aaaaaa"))
    assert claim.lease == 1
    assert [entry.name for entry in remote.list("sessions")] == [f"sessions/{claim.file_name}"]
    mine.check()
    mine.check()


@pytest.mark.parametrize("ended", ["clean", "interrupted", "failed"])
def test_one_that_has_ended_is_followed_at_once(remote: Remote, ended: str) -> None:
    """Nobody is waited for."""
    clock = ManualClock(NOW)
    first = Starter(remote, clock).acquire(record("aaaaaa"))
    remote.put(f"sessions/{first.file_name}", BytesSource(replace(first, ended=ended).to_bytes()))  # type: ignore[arg-type]
    second = Starter(remote, clock).acquire(record("bbbbbb"))
    assert second.lease > first.lease or isinstance(remote, SwappingRemote)
    assert sum(clock.waits) < 5


def test_one_that_is_silent_for_long_is_followed_at_once(remote: Remote) -> None:
    """Its VM is gone."""
    clock = ManualClock(NOW)
    Starter(remote, clock).acquire(record("aaaaaa"))
    clock.advance(1000.0)
    before = clock()
    Starter(remote, clock).acquire(record("bbbbbb", started=clock()))
    assert clock() - before < 5


def test_the_vm_before_this_one_is_not_waited_for(remote: Remote) -> None:
    """Colab gives a notebook one VM at a time: that this one is here says that the other one is gone."""
    clock = ManualClock(NOW)
    Starter(remote, clock).acquire(record("aaaaaa", notebook="digits", endpoint="m-s-1"))
    clock.advance(20.0)
    Starter(remote, clock).acquire(record("bbbbbb", started=clock(), notebook="digits", endpoint="m-s-2"))
    assert clock() < NOW + 25.0


def test_one_that_was_followed_by_another_is_not_waited_for(remote: Remote) -> None:
    """It writes no more, whether it lives or not: only who came last has to be waited for."""
    clock = ManualClock(NOW)
    Starter(remote, clock).acquire(record("aaaaaa"))
    second = Starter(remote, clock).acquire(record("bbbbbb", started=NOW + 1), takeover=True)
    ended = second.end("clean", NOW + 2)
    remote.put(f"sessions/{ended.file_name}", BytesSource(ended.to_bytes()))
    clock.advance(5.0)
    Starter(remote, clock).acquire(record("cccccc", started=clock()))
    assert clock() < NOW + 10.0


@pytest.mark.parametrize(
    ("notebook", "endpoint"), [("digits", "m-s-1"), ("digits", ""), ("", "m-s-2"), ("another", "m-s-2")]
)
def test_another_notebooks_vm_is_waited_for(remote: Remote, notebook: str, endpoint: str) -> None:
    """And one of which nobody knows whose it is."""
    clock = ManualClock(NOW)
    Starter(remote, clock).acquire(record("aaaaaa", notebook="digits", endpoint="m-s-1"))
    clock.advance(20.0)
    Starter(remote, clock).acquire(record("bbbbbb", started=clock(), notebook=notebook, endpoint=endpoint))
    assert clock() > NOW + 100.0


def test_one_that_may_have_died_just_now_is_waited_for_and_the_user_is_told(remote: Remote) -> None:
    """Not for longer than it would take it to give a sign of life."""
    clock, told = ManualClock(NOW), list[str]()
    Starter(remote, clock).acquire(record("aaaaaa"))
    clock.advance(40.0)
    before = clock()
    Starter(remote, clock, told=told).acquire(record("bbbbbb", started=clock()))
    assert 100 < clock() - before < 120
    [line] = told
    assert "session aaaaaa" in line
    assert "takeover=True" in line


def test_one_that_lives_is_not_overrun(remote: Remote) -> None:
    """The next sign of life tells; the second session is refused with what to do, and the first notices nothing."""
    clock = ManualClock(NOW)
    first = Starter(remote, clock)
    claim = first.acquire(record("aaaaaa"))

    def wait(seconds: float) -> None:
        clock.wait(seconds)
        beat = claim.beat(clock(), 7) if clock() > NOW + 60 else claim
        remote.put(f"sessions/{claim.file_name}", BytesSource(beat.to_bytes()))

    with pytest.raises(RunInUse, match="aaaaaa") as raised:
        Starter(remote, clock, wait=wait).acquire(record("bbbbbb"))
    assert "takeover=True" in raised.value.hint
    first.check()


def test_who_takes_over_gets_it_at_once_and_the_other_stops_for_good(remote: Remote) -> None:
    """Also after the second has ended: what that wrote is newer."""
    clock = ManualClock(NOW)
    first = Starter(remote, clock)
    first.acquire(record("aaaaaa"))
    before = clock()
    second = Starter(remote, clock)
    claim = second.acquire(record("bbbbbb"), takeover=True)
    assert clock() - before < 5
    second.check()
    with pytest.raises(RunInUse, match="bbbbbb"):
        first.check()
    remote.put(f"sessions/{claim.file_name}", BytesSource(claim.end("clean", clock()).to_bytes()))
    with pytest.raises(RunInUse, match="bbbbbb"):
        first.check()
    second.check()


@pytest.mark.parametrize(
    ("pid", "started", "lives"),
    [
        (1, 4e9, True),  # the first process of this machine began before that
        (1, 1.0, False),  # ... and after that: it has only got the number of one that is gone
        (2**22 + 1, 4e9, False),  # there is no such process
        (os.getpid(), 4e9, False),  # this very process has begun anew
    ],
    ids=["lives", "number used again", "gone", "this process"],
)
def test_on_this_machine_the_kernel_knows_whether_it_lives(
    remote: Remote, pid: int, started: float, lives: bool
) -> None:
    """So nobody waits after a restart of the kernel."""
    clock = ManualClock(NOW)
    here = {"boot_id": read_boot_id(), "pid": pid, "started": started, "heartbeat": max(started, NOW)}
    Starter(remote, clock).acquire(record("aaaaaa", **here))  # type: ignore[arg-type]
    before = clock()
    if lives:
        with pytest.raises(RunInUse, match="on this machine"):
            Starter(remote, clock).acquire(record("bbbbbb"))
    else:
        Starter(remote, clock).acquire(record("bbbbbb"))
    assert clock() - before < 5


def test_one_that_ended_in_the_same_moment_is_no_rival() -> None:
    """Its claim has the same number, and it says that it has ended."""
    other = record("aaaaaa", lease=1, ended="clean")

    class Crowded(MemoryRemote):
        def put(self, name: str, source: Source) -> Receipt:
            super().put(f"sessions/{other.file_name}", BytesSource(other.to_bytes()))
            return super().put(name, source)

    clock = ManualClock(NOW)
    assert Starter(Crowded(), clock).acquire(record("bbbbbb")).lease == 1
    assert clock.waits == ()


def test_a_record_that_nobody_can_read_holds_nothing(remote: Remote) -> None:
    """Torn by a VM that died; others' files are left alone."""
    clock = ManualClock(NOW)
    remote.put("sessions/20261120T140211Z-cccccc.json", BytesSource(b"{"))
    remote.put("sessions/notes.txt", BytesSource(b"mine"))
    mine = Starter(remote, clock)
    mine.acquire(record("aaaaaa"))
    mine.check()
    assert len(remote.list("sessions")) == 3


class Late(MemoryRemote):
    """A remote that does not show some names yet, as a mounted Drive of another VM."""

    def __init__(self, inner: MemoryRemote) -> None:
        super().__init__()
        self._seen_by_all = inner
        self.hidden: set[str] = set()

    def list(self, folder: str) -> Sequence[Entry]:
        return [entry for entry in self._seen_by_all.list(folder) if entry.name not in self.hidden]

    def put(self, name: str, source: Source) -> Receipt:
        return self._seen_by_all.put(name, source)

    def get(self, name: str, sink: BinaryIO, offset: int = 0) -> None:
        self._seen_by_all.get(name, sink, offset)

    def delete(self, name: str) -> None:
        self._seen_by_all.delete(name)


@pytest.mark.parametrize("seconds", [-1.0, 1.0])
def test_of_two_that_saw_each_other_too_late_one_stops(seconds: float) -> None:
    """Whoever began later is told as soon as the other's claim shows; the one that began first goes on."""
    clock, shared = ManualClock(NOW), MemoryRemote()
    slow = Late(shared)
    one, two = Starter(shared, clock), Starter(slow, clock)
    claims = [record("aaaaaa"), record("bbbbbb", started=NOW + seconds)]
    slow.hidden = {f"sessions/{claims[0].file_name}"}
    held = one.acquire(claims[0])
    assert two.acquire(claims[1]).lease == held.lease
    slow.hidden = set()
    first, second = (one, two) if seconds > 0 else (two, one)
    with pytest.raises(RunInUse):
        second.check()
    first.check()


class Lagging(Late):
    """... and says so."""

    lag = 10.0


def test_where_claims_are_seen_late_nobody_waits_before_the_training_and_nothing_is_written_too_early() -> None:
    """Before the first write the claim has been there for long enough, and was looked at again."""
    clock, shared = ManualClock(NOW), Lagging(MemoryRemote())
    one, two = Starter(shared, clock, seed=1), Starter(shared, clock, seed=2)
    claims = [record(name, boot_id=read_boot_id(), pid=1, started=4e9) for name in ("aaaaaa", "bbbbbb")]
    shared.hidden = {f"sessions/{claim.file_name}" for claim in claims}
    for starter, claim in zip((one, two), claims, strict=True):
        starter.acquire(claim)
    assert clock() == NOW
    shared.hidden = set()
    outcome = []
    for starter in (one, two, one, two):
        try:
            starter.check()
            outcome.append("writes")
        except RunInUse:
            outcome.append("told")
    assert clock() >= NOW + 10
    assert sorted(outcome[2:]) == ["told", "writes"]


def test_where_claims_are_seen_late_nothing_is_sent_before_the_training() -> None:
    """A mounted Drive that is offline takes nothing for minutes; who lives there is looked at all the same."""
    clock, shared = ManualClock(NOW), Lagging(MemoryRemote())
    here = {"boot_id": read_boot_id(), "pid": 1, "started": 4e9}
    Starter(shared, clock).acquire(record("aaaaaa", **here))
    assert shared.list("sessions") == []
    one = Starter(shared, clock)
    one.acquire(record("bbbbbb", **here))
    one.check()
    with pytest.raises(RunInUse, match="bbbbbb"):
        Starter(shared, clock).acquire(record("cccccc", **here))


class Interleaved:
    """Threads of which one moves at a time, chosen by a seed: each of its calls to the remote is one move."""

    def __init__(self, seed: int, count: int) -> None:
        self._chance = random.Random(seed)
        self._condition = threading.Condition()
        self._waiting: set[int] = set()
        self._left = set(range(count))
        self._turn: int | None = None

    def move(self, number: int) -> None:
        """Wait for this thread's turn."""
        with self._condition:
            if self._turn == number:
                self._turn = None
            self._waiting.add(number)
            self._choose()
            self._condition.wait_for(lambda: self._turn == number)
            self._waiting.discard(number)

    def leave(self, number: int) -> None:
        """This thread moves no more."""
        with self._condition:
            self._left.discard(number)
            self._turn = None
            self._choose()

    def _choose(self) -> None:
        if self._turn is None and self._left and self._waiting >= self._left:
            self._turn = self._chance.choice(sorted(self._left))
            self._condition.notify_all()


class InTurns:
    """A remote each of whose operations waits for its thread's turn."""

    confirms = True

    def __init__(self, inner: MemoryRemote, move: Callable[[], None]) -> None:
        self._inner = inner
        self._move = move

    def __getattr__(self, name: str) -> Callable[..., object]:
        def operation(*arguments: object) -> object:
            self._move()
            return getattr(self._inner, name)(*arguments)

        if not hasattr(self._inner, name):
            raise AttributeError(name)
        return operation


def start(remote: MemoryRemote, turns: Interleaved, number: int, seed: int, outcome: dict[int, str]) -> None:
    """One of the sessions: it gets the lease, or is told."""
    mine: Remote = InTurns(remote, lambda: turns.move(number))  # type: ignore[assignment]
    clock = ManualClock(NOW)
    own = Starter(mine, clock, seed=10 * seed + number, wait=lambda seconds: turns.move(number))
    try:
        # As far as the others can see it lives: its process is the first one of this machine.
        own.acquire(record(f"sess0{number}", boot_id=read_boot_id(), pid=1, started=4e9))
        own.check()
        outcome[number] = "writes"
    except RunInUse:
        outcome[number] = "told"
    finally:
        turns.leave(number)


@pytest.mark.parametrize("kind", KINDS)
def test_of_many_who_start_at_the_same_moment_one_writes_and_the_others_are_told(kind: type[MemoryRemote]) -> None:
    """500 orders in which two or three sessions take turns, operation by operation."""
    for seed in range(500):
        count, remote, outcome = 2 + seed % 2, kind(), dict[int, str]()
        turns = Interleaved(seed, count)
        threads = [
            threading.Thread(target=start, args=(remote, turns, number, seed, outcome)) for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(outcome.values()) == ["told"] * (count - 1) + ["writes"], (seed, outcome)


class Refusing(MemoryRemote):
    """A remote that takes nothing for a while."""

    refuses = True

    def put(self, name: str, source: Source) -> Receipt:
        if self.refuses:
            raise RemoteRefused("read-only", hint="make it writable")
        return super().put(name, source)


def test_who_could_not_claim_it_does_so_before_anything_is_written() -> None:
    """Until then each check says why not; afterwards it is held as any other."""
    clock, remote = ManualClock(NOW), Refusing()
    mine = Starter(remote, clock)
    with pytest.raises(RemoteRefused, match="read-only"):
        mine.acquire(record("aaaaaa"))
    with pytest.raises(RemoteRefused, match="read-only"):
        mine.check()
    remote.refuses = False
    mine.check()
    with pytest.raises(RunInUse):
        Starter(remote, clock).acquire(record("bbbbbb", boot_id=read_boot_id(), pid=1, started=4e9))
        mine.check()
