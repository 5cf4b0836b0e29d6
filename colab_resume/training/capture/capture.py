"""Capturing the state of a training at its boundaries, again and again, into one and the same memory.

At most one snapshot is in flight: taking one makes the one before it void. A snapshot that something has disturbed is
not torn but void; what was disturbed is copied at the boundary from then on, and `notice` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

from ...checkpoints.encoding import Piece
from ...checkpoints.memory_room import LAST, room
from ...checkpoints.pack import Slab
from .division import Trust
from .gpu import SideStreams
from .late import Late
from .live import LiveState, Trees
from .plan import Plan
from .portion import Portion
from .snapshot import Snapshot
from .spots import Spot, moves
from .staging import Staging
from .windows import Windows
from .work import Copier, Work

__all__ = ["Capture"]

_BIG = 1 << 20
_FEW = 4
_PART = 4 << 20
_SLACK = 256 << 10


class Capture:
    """`owned` gives the addresses of the memory that known optimizers change, `room` the bytes of memory that are left.

    `hand_on`: who makes copies beside the training; a thread of its own unless something else is given.
    """

    def __init__(
        self,
        owned: Callable[[], set[int]] = set,
        *,
        room: Callable[[], int] = room,
        hand_on: Callable[[Work], None] | None = None,
    ) -> None:
        self._owned = owned
        self._room = room
        self._copier = Copier()
        self._hand_on = hand_on or self._copier.give
        self._staging = Staging()
        self._trees = Trees()
        self._trust = Trust()
        self._streams = SideStreams()
        self._plan = Plan([], 0, set())
        self._late: Late | None = None
        self._moving: Work | None = None
        self._to_try: Sequence[Spot] = ()
        self._is_scarce = False
        self._touching: Work | None = None
        self.notice = ""
        """What was found to change between a boundary and its step, for people."""

    @property
    def nbytes(self) -> int:
        """How much memory is held for copies."""
        return self._staging.nbytes

    def prepare(self, nbytes: int) -> None:
        """There will be so much to copy: have the memory for it, which takes longer to get than to fill, touched
        beside the training. Only while no snapshot is in use."""
        if nbytes < _BIG or nbytes <= self._staging.nbytes:
            return
        self._plan = Plan([], 0, set())  # it would hold on to the memory that there was
        if not self._reserve(nbytes + nbytes // 100 + _SLACK, pinned=False):
            return
        parts = range(0, self._staging.nbytes, _PART)
        touch = [partial(self._staging.view(begin, _PART).fill, 0) for begin in parts]
        self._touching = Work(touch, at_last=lambda: None)
        self._hand_on(self._touching)

    def take(self, states: Iterable[LiveState], *, step_follows: bool = False) -> Snapshot:
        """The state of these parts now; `step_follows`: nothing will change before a step, which calls `settle` first.

        `EncodingError` if the state cannot be stored. Where memory is short the snapshot holds the training.
        """
        self._end_last()
        portions = [Portion(live, self._trees) for live in states]
        steady = [one.encoded.pieces for one in portions if one.is_steady]
        loose = [one.encoded.pieces for one in portions if not one.is_steady and not one.is_settled]
        if not self._plan.is_for(steady):
            self._plan = Plan(steady, 0, self._owned())
        others = Plan(loose, self._plan.end, self._owned() if _has_big(loose) else set())
        if not self._reserve(others.end, pinned=self._plan.on_gpu or others.on_gpu):
            return Snapshot(portions, lambda: _from_where_they_are(portions), holds_training=True)
        self._copy((self._plan, others), step_follows=step_follows)
        spots, moving = _spots_of(portions, self._plan, others), self._moving
        return Snapshot(portions, lambda: self._slabs(portions, spots, moving), late=self._late, disturbed=self._note)

    def _end_last(self) -> None:
        """What is still done for the last snapshot, or for the first."""
        self._late, self._to_try = None, ()
        for work in (self._touching, self._moving):
            if work is not None:
                work.finish()
        self._touching = self._moving = None

    def settle(self) -> None:
        """A step begins: whatever is copied late is copied before it goes on."""
        late, self._late = self._late, None
        if late is not None:
            late.settle()
        to_try, self._to_try = self._to_try, ()
        if to_try:
            self._streams.wait()
            changed = {spot for spot in to_try if not spot.is_as_copied()}
            self._trust.note(changed, keeps_still=False)
            self._trust.note([spot for spot in to_try if spot not in changed], keeps_still=True)

    def forget(self) -> None:
        """The last snapshot was not saved."""
        self._plan.forget()

    def close(self) -> None:
        """End the thread and give the memory back."""
        self._copier.close()
        self._staging.release()

    def _copy(self, plans: Sequence[Plan], *, step_follows: bool) -> None:
        divisions = []
        for plan in plans:
            plan.settle(self._staging)
            divisions.append(plan.divide(self._trust, step_follows=step_follows))
        now_on_gpu = [spot for division in divisions for spot in division.now_on_gpu]
        if now_on_gpu:
            self._streams.begin(now_on_gpu)
            self._streams.hold_training()
        self._copy_now([job for division in divisions for job in division.jobs_now])
        self._to_try = [spot for division in divisions for spot in division.to_try]
        for spot in self._to_try:
            spot.hold()
        if any(division.late or division.late_on_gpu for division in divisions):
            self._late = Late(divisions, self._streams, self._hand_on)
        if jobs := list(moves(spot for division in divisions for spot in division.immutable)):
            self._moving = Work(jobs, at_last=lambda: None)
            self._hand_on(self._moving)

    def _copy_now(self, jobs: Sequence[Callable[[], None]]) -> None:
        """With two hands, if there is much to do."""
        if len(jobs) <= _FEW:
            for job in jobs:
                job()
            return
        work = Work(jobs, at_last=lambda: None)
        self._hand_on(work)
        _finish(work)

    def _reserve(self, nbytes: int, *, pinned: bool) -> bool:
        """Whether there is so much memory for copies. What is held is given back before others run short of it."""
        growth = nbytes - self._staging.nbytes
        if self._is_scarce or (growth > 0 and self._room() - growth < LAST):
            self._is_scarce = False
            self._staging.release()
            return False
        try:
            self._staging.reserve(nbytes, pinned=pinned)
        except MemoryError:
            return False
        return True

    def _slabs(
        self, portions: Sequence[Portion], spots: Mapping[Portion, Sequence[Spot]], moving: Work | None
    ) -> tuple[Slab, ...]:
        self._streams.wait()
        if moving is not None:
            _finish(moving)
        # Asked here, where nobody waits: the answer is spread over a dozen files.
        self._is_scarce = self._room() < LAST // 2
        made = (
            _from_where_they_are([one]) if one.is_settled else (spot.slab() for spot in spots[one]) for one in portions
        )
        return tuple(chain.from_iterable(made))

    def _note(self, changed: Sequence[Spot]) -> None:
        self._trust.note(changed, keeps_still=False)
        names = ", ".join(sorted(spot.piece.key for spot in changed)[:3]) + (", ..." if len(changed) > 3 else "")
        self.notice = f"{names} changed between a step's end and the optimizer's next step; copied at once from now on"


def _finish(work: Work) -> None:
    work.finish()
    if work.error is not None:
        raise work.error


def _spots_of(portions: Sequence[Portion], of_steady: Plan, of_loose: Plan) -> Mapping[Portion, Sequence[Spot]]:
    """Those of each portion that is copied. From here on they alone know what the copies are made of."""
    steady, loose = iter(of_steady.parts), iter(of_loose.parts)
    spots = {one: next(steady if one.is_steady else loose) for one in portions if not one.is_settled}
    for one in spots:
        one.let_go()
    return spots


def _from_where_they_are(portions: Sequence[Portion]) -> tuple[Slab, ...]:
    return Windows([one.encoded.pieces for one in portions]).slabs()


def _has_big(parts: Iterable[tuple[Piece, ...]]) -> bool:
    return any(piece.nbytes >= _BIG for piece in chain.from_iterable(parts))
