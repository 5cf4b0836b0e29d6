"""What a session finds when it opens: the newest good checkpoint, what the sessions before it left and lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..checkpoints.manifest import Manifest
from ..checkpoints.store import Store
from ..remotes import Remote
from ..remotes.abilities import Space, proof_of, space_of
from ..restore import Progress, Search, find
from ..sessions.earlier import earlier_sessions
from ..sessions.happened import Happened, is_same_machine, what_happened
from ..sessions.history import LostWork, Summary, clock_problem, lost_work, next_number, summary
from ..sessions.identity import SessionRecord
from ..sessions.kernel_log import Restart
from ..training.journal import Mark, Record, lost_records
from ..training.provenance import changes, provenance

__all__ = ["Findings", "look_around"]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """`proof` and `space` are what the remote says of itself; `provenance` is how things are now."""

    search: Search
    present: SessionRecord
    """What this session said of itself before it looked around."""
    happened: Happened
    earlier: tuple[SessionRecord, ...]
    lost_records: tuple[Record, ...]
    lost: LostWork
    summary: Summary
    proof: str
    space: Space | None
    provenance: dict[str, object]
    looked_at: float
    """When all this was found, in seconds since 1970."""

    @property
    def good(self) -> Manifest | None:
        """The checkpoint that the session goes on from."""
        return self.search.good.manifest if self.search.good else None

    @property
    def first_step(self) -> int:
        """The step that the session begins at."""
        return self.good.step if self.good else 0

    @property
    def number(self) -> int:
        """Which session of the run this one is, counted from 1."""
        return next_number(self.earlier)

    @cached_property
    def clock_problem(self) -> str:
        """If an earlier session has lived in what is the future here, one line that says so."""
        return clock_problem(self.earlier, self.looked_at)

    @cached_property
    def began_here(self) -> float:
        """When the first session of the run began on this machine, in seconds since 1970."""
        here = [one.started for one in self.earlier if is_same_machine(one, self.present)]
        return min([self.present.started, *here])

    @property
    def mark(self) -> Mark | None:
        """How much of the journals belongs to the checkpoint."""
        return Mark.from_json(self.good.journal) if self.good else None

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """Conditions that are not those the checkpoint was made under."""
        return tuple(changes(self.good.provenance, self.provenance)) if self.good else ()

    @cached_property
    def lost_steps(self) -> int:
        """How many steps the last session had made after the checkpoint, as far as its signs of life tell."""
        return max(self.lost.steps, *(record.step - self.first_step for record in self.lost_records), 0)

    @property
    def lost_seconds(self) -> float | None:
        """How long the lost steps had taken, at the pace that the checkpoint was made at; None if that is unknown."""
        made = self.good.provenance if self.good else {}
        pace = made.get("seconds per step") if isinstance(made, dict) else None
        return pace * self.lost_steps if isinstance(pace, float) else None

    @property
    def remote_room(self) -> int | None:
        """The bytes that this run's checkpoints can have on the remote, as it was at the beginning; None if unknown."""
        free = self.space.free if self.space is not None else None
        return None if free is None else free + self.search.on_remote


def look_around(
    store: Store,
    remote: Remote | None,
    present: SessionRecord,
    *,
    restarts: Sequence[Restart] = (),
    takeover: bool = False,
    progress: Progress,
) -> Findings:
    """Look through store and remote, for the session of the record `present`. Raises what `find` raises."""
    search = find(store, remote, progress=progress)
    good = search.good.manifest if search.good else None
    first_step = good.step if good else 0
    mark = Mark.from_json(good.journal) if good else None
    earlier = tuple(earlier_sessions(store.sessions, remote, but=present.id))
    now = time.time()
    return Findings(
        search=search,
        present=present,
        happened=what_happened(earlier, present, now=now, takeover=takeover, restarts=restarts),
        earlier=earlier,
        lost_records=lost_records(store.root / "journal", mark) if mark else (),
        lost=lost_work(earlier, first_step, now),
        summary=summary(earlier, first_step, now),
        proof=proof_of(remote) if remote is not None else "",
        space=space_of(remote) if remote is not None else None,
        provenance=provenance(),
        looked_at=now,
    )
