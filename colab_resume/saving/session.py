"""One session's way from a boundary to the remote: store, journal, writer and mirror, opened and closed together.

Opening looks for the newest good checkpoint and says what the last session lost. Closing is done once, within a time
budget, and after it the store is free for the next session, in this process or another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ..checkpoints.collector import at_rest
from ..checkpoints.manifest import Manifest
from ..checkpoints.replica import Replica
from ..checkpoints.retention import kept
from ..checkpoints.store import Store
from ..errors import CheckpointError, ColabResumeError, NotSafe, RemoteError, RunInUse, StoreError
from ..folders import Folders
from ..mirror import Mirror, Mirroring, NoMirror
from ..remotes import Remote
from ..remotes.abilities import mend
from ..restore import Progress
from ..sessions.history import mean_life
from ..sessions.identity import Ending, SessionRecord, new_session_id
from ..training.cadence import Cadence
from ..training.capture.capture import Capture
from ..training.capture.live import LiveState
from ..training.curve import CurveKeeper, earlier_records
from ..training.every import EveryEpochs
from ..training.journal import Journal
from ..training.limit import SessionLimit
from ..training.position import Position
from ..training.replay import Replay
from ..training.slowdown import Slowdown
from ..writer import Draft, Writer
from .findings import look_around
from .measured import Measured
from .options import Options
from .presence import Presence

__all__ = ["Saving"]


class Saving:
    """Opened for one session. `found` says what was there; its `good` checkpoint is what the session goes on from.

    `owned`: as for `Capture`. `takeover`: go on also if another session lives. `place`: where this is, in words. `tell`
    hears what is waited for.
    """

    def __init__(
        self,
        root: Path,
        remote: Remote | None,
        options: Options,
        *,
        progress: Progress,
        owned: Callable[[], set[int]],
        folders: Folders,
        takeover: bool = False,
        place: str = "",
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.session = new_session_id()
        self.options = options
        self.saves = 0
        self.stall_seconds = 0.0
        self.saved: Manifest | None = None
        self.capture_problem = ""
        self.in_epochs = True
        self._asked = False
        self._tags: tuple[str, ...] = ()
        self._last: tuple[int, int] | None = None
        self._unpaid = 0.0
        self._held: int | None = None
        self._slowdown = Slowdown()
        self._step = 0
        self._waited = 0.0
        self._arrived = ""
        self._capture = Capture(owned)
        self._remote = remote
        self.folders = folders
        try:
            self.store = Store(root, session=self.session)
            self.presence = Presence(self.session, remote, place=place, takeover=takeover, tell=tell)
            self.found = look_around(
                self.store,
                remote,
                self.presence.record,
                restarts=self.presence.restarts,
                takeover=takeover,
                progress=progress,
            )
            self._open(remote)
        except BaseException:
            self._let_go()
            raise

    def _open(self, remote: Remote | None) -> None:
        found = self.found
        self.saved = found.good
        self._step = found.first_step
        self._tried = found.good is not None
        self._pace = 0.0
        folder = self.store.root / "journal"
        self.journal = Journal(folder, self.session, found.mark)
        self.replay = Replay(found.lost_records)
        self.curve = CurveKeeper(earlier_records(folder, found.mark))
        self.measured = Measured(found.good.metrics if found.good else {})
        self.cadence = Cadence(
            self.options.every, budget=self.options.budget, mttf=mean_life(found.earlier), clock=time.monotonic
        )
        self.limit = SessionLimit(self.options.limit_seconds, began=found.began_here)
        self.presence.begin(found)
        self.writer = Writer(self.store, self.journal, self._written)
        # What comes next may kill the kernel before anything else is written, as too large a batch does.
        self._leave_record()
        self.folders.begin(self.session, self.presence.check)
        self.mirror: Mirroring = NoMirror() if remote is None else Mirror(self._replica(remote), self.folders)

    def _replica(self, remote: Remote) -> Replica:
        return Replica(
            self.store,
            remote,
            keep=self.options.keep,
            best=lambda: self.measured.best,
            record=lambda: self.record,
            clock=time.time,
            check=self.presence.check,
            damaged=frozenset(self.found.search.set_aside),
        )

    @property
    def problems(self) -> dict[str, str]:
        """What does not work at the moment, by where it does not."""
        texts = {
            "clock": self.found.clock_problem,
            "capture": self.capture_problem,
            "writer": self.writer.problem,
            "mirror": self.mirror.problem,
            **self.folders.problems,
        }
        if isinstance(self.cadence.every, EveryEpochs) and not self.in_epochs:
            texts["cadence"] = (
                f"every={self.options.every!r}, but this loop is not inside `for epoch in run.epochs(n)`: "
                "only its first and its last state are saved"
            )
        return {where: text for where, text in texts.items() if text}

    @property
    def record(self) -> SessionRecord:
        """What this session says of itself at the moment."""
        return self.presence.now(step=self._step, saves=self.saves, saving_seconds=self.saving_seconds)

    @property
    def ended(self) -> str:
        """How this session has ended; empty while it lives."""
        return self.presence.ended

    @property
    def is_overtaken(self) -> bool:
        """Whether another session has the right to write by now."""
        return isinstance(self.mirror.error, RunInUse)

    @property
    def has_remote(self) -> bool:
        """Whether anything survives this machine."""
        return self._remote is not None

    @property
    def slowed_seconds(self) -> float:
        """How much longer steps have taken beside saves, all in all."""
        return self._slowdown.seconds

    @property
    def saving_seconds(self) -> float:
        """What saving has cost, all in all."""
        return self.stall_seconds + self.slowed_seconds

    @property
    def pace(self) -> float:
        """Seconds from one step to the next in this session, on the average; 0.0 before the first one."""
        return self._pace

    def remote_free(self) -> int | None:
        """Bytes free on the remote, when it was asked last; None if it does not say."""
        space = self.mirror.space or self.found.space
        return space.free if space is not None else None

    def note_step(self, step: int, step_seconds: float, loop_seconds: float) -> None:
        """How far the training is, how long the last step took, and how long the loop has run in this session."""
        waited, self._waited = self._waited, 0.0
        if step > self._step:  # at the end of an epoch there was a validation, not a step
            self._slowdown.note(step_seconds - waited, busy=not self.writer.idle or self.mirror.busy)
        self._note_arrival()
        self._step = step
        self.presence.go_on(step)
        self._pace = loop_seconds / max(1, step - self.found.first_step)

    def _note_arrival(self) -> None:
        """If one more of this session's checkpoints has reached the remote, how long that took."""
        newest = self.mirror.safe or self.mirror.sent
        if newest is not None and newest.session == self.session and newest.name != self._arrived:
            self._arrived = newest.name
            self.cadence.sent(max(0.0, time.time() - newest.created))

    @property
    def own_safe(self) -> Manifest | None:
        """The newest checkpoint of this session that is safe."""
        safe = self.mirror.safe
        return safe if safe is not None and safe.session == self.session else None

    def ask(self, tag: str | None) -> None:
        """Save at the next boundary."""
        self._asked = True
        self._tags = (*self._tags, *([tag] if tag is not None else []))

    @property
    def can_afford_one_more(self) -> bool:
        """Whether a save now, out of turn, costs no more than the budget allows."""
        return self.writer.idle and self.cadence.can_afford_one_more()

    @property
    def is_asked(self) -> bool:
        """Whether somebody has asked for a save at the next boundary."""
        return self._asked

    def holds(self, step: int) -> bool:
        """Whether the state after this step is on the disk already; the writer must be idle."""
        return self._last is not None and self._last[0] == step and self.saved is not None and self.saved.step == step

    def make_way(self) -> None:
        """Where the state of this very boundary was asked for, what is in hand is finished first."""
        if self._tags or self.measured.counts_now:
            begin = time.perf_counter()
            self.writer.wait(None)
            self._stalled(time.perf_counter() - begin)

    def is_due(self, step: int) -> bool:
        """Whether to save at this boundary; never while the last save is in hand."""
        seen = self._last is not None and self._last[0] == step
        # Whatever `every` says: that saving does not work must show in the first minute.
        first = not self._tried
        return self.writer.idle and (self._asked or first or (not seen and self.cadence.due(step)))

    def is_asked_after(self, epoch: int | None) -> bool:
        """Whether `every` asks for a checkpoint where this epoch ends; then what is in hand is finished first."""
        if epoch is None or not self.cadence.wants_end_of(epoch):
            return False
        self.writer.wait(None)
        self.cadence.owe()
        return True

    def prepare(self, nbytes: int) -> None:
        """There will be about so much to save; the writer must be idle."""
        self._capture.prepare(nbytes)

    def before_step(self) -> None:
        """An optimizer is about to step: what is still to be copied of the last boundary's state is copied first."""
        begin = time.perf_counter()
        try:
            self._capture.settle()
        except Exception as error:  # noqa: BLE001 - that saving fails is no reason for a step to fail
            self.capture_problem = f"the state could not be captured: {error!r}"
        seconds = time.perf_counter() - begin
        self._waited += seconds
        self._stalled(seconds)

    def _stalled(self, seconds: float) -> None:
        self._unpaid += seconds
        self.stall_seconds += seconds

    def save(self, parts: Iterable[LiveState], position: Position, *, step_follows: bool) -> None:
        """Capture the state of these parts and hand it to the writer, which must be idle; never raises.

        `step_follows`: what optimizers own changes only after `before_step`, so that it may be copied until then.
        """
        begin = time.perf_counter()
        self._tried = True
        try:
            snapshot = self._capture.take(parts, step_follows=step_follows)
        except (ColabResumeError, MemoryError, RuntimeError) as error:
            self.capture_problem = f"the state could not be captured: {error}"
            self._asked = False  # else every boundary would try again; the cadence does, and tags wait for it
            self.cadence.saved(position.step, stall=time.perf_counter() - begin, write=0.0)
            return
        self.capture_problem = ""
        serial = self._last[1] + 1 if self._last and self._last[0] == position.step else 0
        self._last = (position.step, serial)
        facts = {
            "step": position.step,
            "serial": serial,
            "generation": self.found.search.generation + 1,
            "parent": self.saved.name if self.saved else None,
            "created": time.time(),
            "tags": self._tags,
            "metrics": self.measured.numbers(),
            "position": position.to_json(),
            "journal": self.journal.mark().to_json(),
            "provenance": {**self.found.provenance, "seconds per step": self._pace},
        }
        self._asked, self._tags = False, ()
        self._slowdown.save_begins()
        self.writer.offer(Draft(snapshot=snapshot, facts=facts))
        if snapshot.holds_training:
            self.writer.wait(None)
        self._stalled(time.perf_counter() - begin)

    def _written(self, draft: Draft, manifest: Manifest | None, seconds: float) -> None:
        """In the writer's thread, after each attempt."""
        unpaid, self._unpaid = self._unpaid, 0.0
        self.cadence.saved(draft.facts["step"], stall=unpaid, slowed=self._slowdown.settle(), write=seconds)
        if manifest is None:
            self._capture.forget()
            self._tags = (*draft.facts["tags"], *self._tags)
            self._asked = self._asked or self.writer.disturbed
            return
        self.saved = manifest
        self.saves += 1
        self._held = None if self._held is None else self._held + 1
        self.mirror.wake()
        self._leave_record()
        self._clear_away()

    @at_rest()
    def _clear_away(self) -> None:
        if self._held is not None and self._held <= self.options.keep.last:
            return  # none can be too many; so a save does not look at all that are kept
        manifests = [self.store.read(name) for name in self.store.names()]
        gone = self.store.sweep(kept(manifests, self.options.keep, self.measured.best))
        self._held = len(manifests) - len(gone)

    def flush(self, timeout: float | None) -> None:
        """Wait until what was captured is on the disk and confirmed by the remote; else `NotSafe`."""
        begin = time.monotonic()
        if not self.writer.wait(timeout):
            raise NotSafe("the newest checkpoint is not on the disk yet", hint="wait longer: run.flush(timeout=...)")
        if problem := self.capture_problem or self.writer.problem:
            raise NotSafe(problem, hint="mend what it says; the next save tries again")
        if self.writer.disturbed:
            raise NotSafe("the state changed while it was copied", hint="it is saved again at the next boundary")
        self.journal.sync()
        self.mend()
        left = None if timeout is None else max(0.0, timeout - (time.monotonic() - begin))
        self.mirror.flush(left, mend=self.mend)

    def mend(self) -> None:
        """In the main thread, while nobody trains: do what can be done about what keeps the mirror from its work."""
        if self._remote is not None and self.mirror.problem:
            try:
                mend(self._remote)
            except RemoteError as error:
                raise NotSafe(error.what, hint=error.hint) from error

    def news(self) -> str:
        """What was found out about the training since this was asked last; empty if nothing."""
        notice, self._capture.notice = self._capture.notice, ""
        return notice

    def end(self, how: Ending, *, error: str = "") -> None:
        """From now on the record says that this session has ended, how, and by what error."""
        self.presence.end(self.record, how, error)
        self._leave_record()  # the remote may be away, and the kernel be killed before it is back

    def _leave_record(self) -> None:
        problem = self.presence.write(lambda: self.record, self.store.sessions)
        self.writer.problem = problem or self.writer.problem

    def _let_go(self) -> None:
        """Of what there is so far."""
        there = vars(self)
        for part in (there[name] for name in ("writer", "mirror") if name in there):
            part.close(0)
        if "store" in there:
            self.store.close()

    def close(self, timeout: float | None) -> None:
        """Finish what is in hand and let go of everything; what fails now is in `problems`. Again is harmless."""
        try:
            if self.writer.close(timeout):
                self._capture.close()
            self.presence.close()
            self.mirror.close(timeout)
            self._held = None  # a checkpoint that was being sent when its time came was left alone then
            for leave in (self.journal.close, self._leave_record, self._clear_away):
                if not self.store.is_closed:
                    self._in_order(leave)
        finally:
            self.store.close()

    def _in_order(self, leave: Callable[[], object]) -> None:
        """One thing that cannot be left in order keeps no other from it."""
        try:
            leave()
        except (StoreError, CheckpointError) as error:
            self.writer.problem = f"the store could not be left in order: {error}"
