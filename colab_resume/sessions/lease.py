"""The right to write to a run: one session has it, and whoever lost it stops.

Where the remote can compare and swap, one file says who has it, and only one of two can replace the same content. Where
it cannot, each session's own record is its claim, and claims are numbered: whoever wants the lease claims the next
number, waits until others would see that, and looks. Who then sees a claim of the same number that was not there before
takes his own back, and tries again a random moment later. Of two who do that, the one whose claim came later has looked
later still; so it has seen the other, and never do both go on. A claim with a higher number is a later session's: it
was made because the one before was silent, or because somebody said that it should be taken over.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

from ..errors import DamagedCheckpoint, Overtaken, RemoteRefused, RunInUse
from ..remotes import BytesSource, Remote
from ..remotes.abilities import Swapping, lag_of, swapping
from .identity import SessionRecord
from .liveness import SILENT_SECONDS, is_elsewhere, is_replaced, lives_here

__all__ = ["Lease", "lease_for"]

_FOLDER = "sessions"
_CELL = "lease.json"
_LONGEST_STEP_BACK = 4.0
_LOOK_SECONDS = 5.0
_LOOKS, _PAUSE = 15, 1.0
_AT_A_TIME = 8
_CHANCE = random.Random()
"""A generator of its own: this runs beside the training, whose numbers must not depend on who else is there."""


class Lease:
    """Of the session of `record`; `tell` hears a line when there is something to wait for. Times are in seconds.

    `number`: that of its claim; 0 as long as it has none.
    """

    def __init__(
        self,
        remote: Remote,
        record: SessionRecord,
        *,
        tell: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._remote = remote
        self._own = record
        self._tell = tell
        self._clock = clock
        self._wait = wait
        self._chance = chance
        self._takeover = False

    @property
    def number(self) -> int:
        return self._own.lease

    def acquire(self, *, takeover: bool = False) -> None:
        """Get it, or raise `RunInUse` if another session lives, and what the remote raises.

        Where others see a claim late, nothing is gained by making it here, and Drive may take it much later: there this
        only looks who lives, and `check` claims it and, when it is time, looks who else has.
        """
        self._takeover = takeover
        if lag_of(self._remote) > 0:
            self._look()
        else:
            self._get()

    def introduce(self, record: SessionRecord) -> None:
        """By now more is known of the session; a claim that is made from now on says so."""
        self._own = replace(record, lease=self._own.lease)

    def check(self) -> None:
        """Raise `RunInUse` if another session has taken over. If it could not be got so far, it is got now."""
        self._get()
        self._check()

    def _get(self) -> None:
        while not self._own.lease:
            others = self._look()
            claim = replace(self._own, lease=1 + _highest(others))
            if self._claim(claim, others):
                self._own = claim
            else:
                self._wait(self._chance() * _LONGEST_STEP_BACK)

    def _look(self) -> list[SessionRecord]:
        """Those that may hold it, when none of them lives, or when that is no reason not to begin."""
        others = self._others()
        if not self._takeover:
            # Who has a smaller number was followed by another one, and writes no more, whether it lives or not.
            highest = _highest(others)
            self._outlast([other for other in others if other.lease == highest])
        return others

    def _check(self) -> None:
        raise NotImplementedError

    def _claim(self, claim: SessionRecord, others: Iterable[SessionRecord]) -> bool:
        """Try to get it; `others` is what was known of them."""
        raise NotImplementedError

    def _others(self) -> list[SessionRecord]:
        """Those that may hold it."""
        raise NotImplementedError

    def _outlast(self, others: Iterable[SessionRecord]) -> None:
        """Return when none of them lives."""
        for other in others:
            if other.ended is not None or is_replaced(other, self._own):
                continue
            if not is_elsewhere(other):
                if lives_here(other):
                    raise _in_use(other, "another process on this machine works on the run")
                continue
            self._outlast_elsewhere(other)

    def _outlast_elsewhere(self, other: SessionRecord) -> None:
        """It may have died just now: wait for a sign of life, no longer than one would take."""
        silent = self._clock() - other.heartbeat
        if silent < SILENT_SECONDS:
            left = SILENT_SECONDS - max(0.0, silent)
            self._tell(
                f"session {other.id} gave a sign of life {max(0.0, silent):.0f} s ago; waiting up to {left:.0f} s "
                "to see whether it still lives (takeover=True does not wait)"
            )
        end = self._clock() + SILENT_SECONDS - max(0.0, silent)
        while self._clock() < end:
            self._wait(min(_LOOK_SECONDS, end - self._clock()))
            now = self._record(f"{_FOLDER}/{other.file_name}")
            if now is None or now.ended is not None:
                return
            if now.heartbeat > other.heartbeat:
                raise _in_use(other, "another session works on the run just now")

    def _record(self, name: str) -> SessionRecord | None:
        """What stands under this name; None if nothing does, or nothing that can be read."""
        sink = BytesIO()
        with suppress(RemoteRefused, DamagedCheckpoint):
            self._remote.get(name, sink)
            return SessionRecord.from_bytes(sink.getvalue())
        return None


class _Claims(Lease):
    """By numbered claims, for any remote."""

    _known: frozenset[str] = frozenset()
    _before: frozenset[str] = frozenset()
    """Ids of those that were there before the claim."""
    _due: float | None = None
    """When others would have seen the claim; None once it was looked who has made another one."""

    def _check(self) -> None:
        while self._due is not None:
            self._wait(max(0.0, self._due - self._clock()))
            if not self._stands(self._own):
                self._own = replace(self._own, lease=0)
                self._wait(self._chance() * _LONGEST_STEP_BACK)
                self._get()
        own = self._own
        for name in self._names() - self._known:
            other = self._record(name)
            if other is None or other.id == own.id:
                continue
            # A greater number counts also if it has ended: what it wrote is newer than what is here.
            if other.lease > own.lease or (other.lease == own.lease and self._is_before(other, own)):
                raise _in_use(other, "another session has taken over the run")
            self._known |= {name}

    def _is_before(self, other: SessionRecord, own: SessionRecord) -> bool:
        """Of two with the same number, which a remote has shown to each other too late, the first goes on.

        One that has seen our claim takes its own back: it is given the time to.
        """
        if other.ended is not None or (other.started, other.id) > (own.started, own.id):
            return False
        for _ in range(_LOOKS):
            self._wait(_PAUSE)
            if self._record(f"{_FOLDER}/{other.file_name}") is None:
                return False
        return True

    def _names(self) -> frozenset[str]:
        return frozenset(entry.name for entry in self._remote.list(_FOLDER) if entry.name.endswith(".json"))

    def _others(self) -> list[SessionRecord]:
        names = sorted(self._names())
        # A run may have had hundreds of sessions, and on a new VM each record is a download.
        with ThreadPoolExecutor(_AT_A_TIME) as readers:
            records = zip(names, readers.map(self._record, names), strict=True)
            found = {name: one for name, one in records if one is not None and one.id != self._own.id}
        self._known = frozenset(found)
        return list(found.values())

    def _claim(self, claim: SessionRecord, others: Iterable[SessionRecord]) -> bool:
        self._before = frozenset(other.id for other in others)
        self._remote.put(f"{_FOLDER}/{claim.file_name}", BytesSource(claim.to_bytes()))
        lag = lag_of(self._remote)
        self._due = self._clock() + lag
        return lag > 0 or self._stands(claim)

    def _stands(self, claim: SessionRecord) -> bool:
        """Whether nobody has claimed it since; else it is taken back."""
        name = f"{_FOLDER}/{claim.file_name}"
        rivals = [one for one in self._rivals(claim) if one.id not in self._before and one.ended is None]
        stands = not any(one.lease >= claim.lease for one in rivals)
        if stands:
            self._known |= {name}
        else:
            self._remote.delete(name)
        self._due = None
        return stands

    def _rivals(self, claim: SessionRecord) -> list[SessionRecord]:
        records = (self._record(name) for name in self._names() - self._known)
        return [one for one in records if one is not None and one.id != claim.id]


class _Cell(Lease):
    """By one file that is compared and swapped."""

    def __init__(self, remote: Remote, cell: Swapping, record: SessionRecord, **options: Callable[..., object]) -> None:
        super().__init__(remote, record, **options)  # type: ignore[arg-type]
        self._cell = cell
        self._tag: str | None = None

    def _check(self) -> None:
        holder = self._read()
        if holder is not None and holder.id != self._own.id:
            raise _in_use(holder, "another session has taken over the run")

    def _others(self) -> list[SessionRecord]:
        holder = self._read()
        if holder is None or holder.id == self._own.id:
            return []
        # How it is by now stands in its own record.
        return [self._record(f"{_FOLDER}/{holder.file_name}") or holder]

    def _claim(self, claim: SessionRecord, others: Iterable[SessionRecord]) -> bool:  # noqa: ARG002
        with suppress(Overtaken):
            self._tag = self._cell.swap(_CELL, claim.to_bytes(), self._tag)
            self._remote.put(f"{_FOLDER}/{claim.file_name}", BytesSource(claim.to_bytes()))
            return True
        return False

    def _read(self) -> SessionRecord | None:
        found = self._cell.read_tagged(_CELL)
        self._tag = found[1] if found is not None else None
        if found is None:
            return None
        try:
            return SessionRecord.from_bytes(found[0])
        except DamagedCheckpoint:
            return None


def lease_for(remote: Remote, record: SessionRecord, **options: Callable[..., object]) -> Lease:
    """The lease of a run's remote, by the best means that it has; `options` are those of `Lease`."""
    if (cell := swapping(remote)) is not None:
        return _Cell(remote, cell, record, **options)
    return _Claims(remote, record, **options)  # type: ignore[arg-type]


def _highest(records: Iterable[SessionRecord]) -> int:
    return max((record.lease for record in records), default=0)


def _in_use(other: SessionRecord, what: str) -> RunInUse:
    return RunInUse(
        f"{what}: session {other.id} on {other.host}, since step {other.step}",
        hint="end that one, or say setup(..., takeover=True): it then stops writing and keeps its checkpoints",
    )
