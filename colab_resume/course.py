"""The course of a training: what happens when the loops say where they are.

It knows the objects, the loops and the session that saves, and nothing of how users speak to them. All of it happens in
the training's own thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .checkpoints.retention import Best
from .colab.place import Kind
from .display.bars import byte_bar
from .display.progress import ProgressBar
from .display.remarks import Remarks
from .display.text import disk_line, first_safe, room_line, say, warn
from .errors import StateMismatch, UsageError
from .folders import Folders
from .leaving import Leaving
from .remotes import Remote
from .restore import Restored
from .saving import Logbook, Options, Saving
from .training.capture.live import LiveState
from .training.chance import Chance
from .training.data import randomness
from .training.data.counting import counted_in
from .training.forgotten import Forgotten, Strays, Watch
from .training.loops import Loops
from .training.objects.made import Made
from .training.objects.settings import Settings
from .training.objects.untouched import look
from .training.position import Position
from .training.progress import progress_of
from .training.tracking import MODULES, RNG, VALUES, Tracking

__all__ = ["Course"]

_CLOSE_SECONDS = 5.0
"""How long the end of a session may wait for what is in hand."""

_LOOPS = "run.loops"
_OWN = {RNG, MODULES, _LOOPS}
"""Parts that nobody tracked by name."""


class Course:
    """The training of one run in this process, over as many sessions as it takes; hears what the loops tell.

    `moved`: whether a boundary was reached in this session. `loop_seconds`: how long its loops have run.
    """

    def __init__(
        self,
        name: str,
        root: Path,
        remote: Remote | None,
        options: Options,
        *,
        place: str = "",
        remote_name: str = "the remote",
    ) -> None:
        self._name = name
        self._root = root
        self._remote = remote
        self._options = options
        self._place = place
        self._remote_name = remote_name
        self.folders = Folders(root, remote, keep=options.keep.last, progress=byte_bar, tell=self._say)
        self.tracking = Tracking()
        self.tracking.before_step = self._before_step
        self._chance = Chance(self.tracking)
        self.loops = Loops(self, self._chance)
        self.logbook = Logbook(self.loops, lambda: self.saving)
        self.leaving = Leaving(
            name, self.loops, saving=lambda: self.saving, save=self._save_here, tracked=self.tracking.named
        )
        self._remarks = Remarks(name)
        strays = Strays(root, self.folders.roots) if place == Kind.COLAB.value else None
        self._forgotten = Forgotten(self.tracking.named, self._remarks.say, strays)
        self._best: Best | None = None
        self._bar = ProgressBar(name)
        self.is_closed = True
        """Whether there is no session now: none has begun yet, or one was left and no other has come."""

    def begin(self, *, takeover: bool = False) -> None:
        """A session begins."""
        self.logbook.forget()
        self.is_closed = True
        self.saving = Saving(
            self._root,
            self._remote,
            self._options,
            progress=byte_bar,
            owned=self.tracking.owned,
            folders=self.folders,
            takeover=takeover,
            place=self._place,
            tell=self._say,
        )
        self.saving.measured.best = self._best
        self._restored: Restored | None = self.saving.found.search.good
        self._untouched: list[Any] = []
        self._go_to(self._restored)
        self.moved = self._unclear = False
        self._chance.loop_goes_on()
        self._prepared = self._set_up_again = False
        self.loop_seconds: float = 0.0
        self._clock = time.perf_counter()
        self._told: set[str] = set()
        self._first_safe_due = self.saving.has_remote
        self._replaying = self.saving.replay.report.lost > 0
        self.is_closed = False

    def _go_to(self, restored: Restored | None) -> None:
        loops = {} if restored is None else _loops_of(restored)
        self._made, self._settings = Made(loops.get("made")), Settings(loops.get("settings"))
        if restored is None:
            self.loops.reset(None, None)
            return
        self.loops.reset(Position.from_json(restored.manifest.position), loops)
        # What is drawn from here to the loop, such as a split of the data that nobody seeded, is drawn again.
        self._chance.go_back_to_setup(loops)
        self._forgotten.go_back_to(loops)

    def keep_best(self, best: Best) -> None:
        """Keep the checkpoint whose value of this metric is best."""
        self._best = self.saving.measured.best = best

    def track(self, objects: Mapping[str, Any]) -> None:
        """Track these objects, and put into them what the checkpoint holds for them."""
        # What was put into objects that the code has made anew since is in none of these: it has to be put back again.
        put_back = self._restored is not None and self.loops.cursor.arrived
        begun = (self.moved or put_back) and not self.loops.cursor.inside
        if begun and (names := self.tracking.replaced(objects)):
            if self.moved and self.loops.settled and not self._set_up_again:
                raise UsageError(
                    f"{', '.join(names)} already stands for another object",
                    hint="choose another name for a second phase; a Trainer's second training is a run of its own: "
                    "run.finish(), then setup with another name; if this cell runs again, run setup's cell first",
                )
            self._rewind("its objects were made anew")
        known, replaced = self.tracking.names(), self.tracking.replaced(objects)
        if self.loops.cursor.inside:
            for name in objects:
                self._made.note(name, known=name in known, replaced=name in replaced)
        added = self.tracking.add({name: thing for name, thing in objects.items() if name != VALUES})
        self.tracking.check(objects)
        if not self.loops.cursor.inside:
            self._remarks.overridden(self._settings.changed(added, begins=self._restored is None))
        # Past the restored position what is tracked once more is as the training has left it.
        again = known if self.loops.cursor.arrived else []
        self._apply([name for name in objects if name not in again])
        self._tell_room(self.tracking.nbytes() + self.tracking.owed_nbytes())

    def folder(self, path: str | Path, name: str | None) -> Path:
        """Bring a folder back that another framework writes to, and have it mirrored from now on."""
        given = self.folders.add(path, name=name)
        self.saving.mirror.wake()
        return given

    def _say(self, line: str) -> None:
        say(f"{self._name} · {line}")

    def _tell_room(self, need: int) -> None:
        """If remote or disk have too little space for what is to be kept, say so."""
        room = self.saving.found.remote_room
        lines = ["" if room is None else room_line(need, room, self._options.keep.last)]
        if (here := self.saving.store.room()) is not None:
            lines.append(disk_line(need, here))
        self._remarks.room(lines)

    def set_up(self, *, takeover: bool = False) -> None:
        """`setup` was called again."""
        self._set_up_again = True
        if takeover and self.saving.is_overtaken:
            self._rewind("it is taken back", takeover=True)
            return
        self.saving.mend()
        if self.moved and not self.loops.between_steps:
            self._rewind("it was interrupted")

    def _apply(self, names: Iterable[str]) -> None:
        if self._restored is None:
            return
        arrived = self.loops.cursor.arrived
        due = [name for name in names if not arrived or self._made.belongs(name)]
        found = self.tracking.apply(self._restored, due, final=arrived)
        self._remarks.reordered(self.tracking.reordered)
        for name in sorted(set(due) - set(found) - {VALUES} - self._made.names):
            warn(f"{name} is not in the checkpoint of step {self._restored.manifest.step}; it begins as it is")
        if self.loops.cursor.waits_for_no_loop and self.loops.cursor.step:
            self.arrived()

    def _rewind(self, why: str, *, takeover: bool = False) -> None:
        """Begin a new session in this process, at the newest checkpoint."""
        self.saving.writer.wait(None)
        if self.moved and self.saving.saved is None:
            raise UsageError(
                f"{why}, and nothing was saved to go back to", hint="restart the kernel, and run the cells again"
            )
        self._remarks.undone(self.leaving.edited.go_on())
        if not self.saving.ended:
            self.saving.end("interrupted")
        self.is_closed = True
        self.saving.close(_CLOSE_SECONDS)
        self.begin(takeover=takeover)
        say(f"{self._name} · {why}: back to step {self.loops.cursor.step}")
        self._apply(self.tracking.names())

    def tell_problems(self) -> None:
        """Each problem once while it lasts."""
        problems = self.saving.problems
        for where in problems.keys() - self._told:
            warn(problems[where])
        self._told = set(problems)

    def arrived(self) -> None:
        """Put the restored state back for good: code on the way here may have drawn numbers or set values."""
        if self._restored is not None:
            self.tracking.apply(self._restored, self.tracking.names(), final=True)
            randomness.restore(self._restored.part(RNG))
            if not self.loops.cursor.waits_for_no_loop:  # else more may be tracked here, and all put back once more
                self._restored.let_go_of_given()
        self._clock = time.perf_counter()

    def begins(self) -> None:
        """Save the state before the first step: there is always something to go back to, and a bad remote shows now."""
        self.saving.ask(None)
        self._save_if_due(whole=True, step_follows=True)

    def meets(self, loader: Any) -> None:
        """Look at its data."""
        self._remarks.data_count(counted_in(loader, kept=set(map(id, self.tracking.things()))))
        self._forgotten.meet(loader, next((loop.frame.name for loop in self.loops.cursor.open_loops), ""))

    def hands_out_first(self) -> None:
        """Look at what the first step will change."""
        self._untouched = look(self.tracking.things())

    def drawn_again(self) -> None:
        """Refuse a loop that draws ahead and does not say so: a restart would leave one batch out."""
        if self._untouched and self._untouched == look(self.tracking.things()):
            raise UsageError(
                "a second batch is drawn, but nothing that is tracked has changed since the first: if it is still to "
                "be trained on, a restart would leave it out",
                hint="say run.batches(loader, ahead=True) if the next batch is drawn ahead, ahead=False if it is not",
            )

    def data_differ(self, *, order: bool, sizes: tuple[int, int] | None) -> None:
        """Say so."""
        self._remarks.data_differ(order=order, sizes=sizes)

    def watch(self) -> Watch:
        """What the loop changes and nobody tracks is told."""
        return self._forgotten.watch()

    def epochs_are_not_counted(self) -> None:
        """Say so."""
        self._remarks.epochs_are_not_counted()

    def before_a_pause(self) -> None:
        """Save before it, if that is cheap enough: what is lost in the pause is then the pause alone."""
        if self.saving.can_afford_one_more:
            self.saving.ask(None)

    def epoch_ended(self) -> None:
        """A good place to save, unless nobody could say what belongs to the next epoch; then it may be the next one."""
        self._made.end_epoch()
        self._unclear = self._made.is_unclear
        asked = self.saving.is_asked_after(self.loops.cursor.epoch)
        if not self._unclear and asked:
            self.saving.ask(None)
        elif not self._unclear:
            self.before_a_pause()

    def saves_next(self) -> bool:
        """Whether a checkpoint is due at the next boundary."""
        return self.loops.cursor.arrived and self.saving.is_due(self.loops.cursor.step + 1)

    def at_boundary(self, *, savable: bool, pauses: bool, loop_ended: bool) -> None:
        """Capture the state if that is due."""
        if self.loops.cursor.arrived:
            self._chance.loop_ended() if loop_ended else self._chance.loop_goes_on()
            self._reach(savable=savable, pauses=pauses, loop_ended=loop_ended)

    def save_outside(self) -> None:
        """Capture the state where no loop runs: what was drawn since the last one ended is drawn again on a restart."""
        if self.moved and self.loops.between_steps:
            self._reach(savable=True, pauses=False, loop_ended=True)

    def _reach(self, *, savable: bool, pauses: bool, loop_ended: bool) -> None:
        if self.logbook.waits and self.saving.is_due(self.loops.cursor.step):
            self.logbook.read()  # the step ends where its numbers are there, and not while it is being saved
        before, self._clock = self._clock, time.perf_counter()
        self.loop_seconds += self._clock - before
        self._let_go_of_restored()
        self.tracking.reach_boundary()
        self.moved = True
        self.saving.note_step(self.loops.cursor.step, self._clock - before, self.loop_seconds)
        self.saving.in_epochs = self.loops.cursor.epoch is not None or loop_ended
        if loop_ended:
            self.saving.ask(None)
            self.saving.writer.wait(None)
        if savable and (self.saving.is_asked or not self._unclear):
            self._save_if_due(whole=loop_ended, step_follows=not (pauses or loop_ended))
        if not self._prepared and self.saving.writer.idle:
            self._prepared = True
            self.saving.prepare(self.tracking.nbytes())
            self._tell_room(self.tracking.nbytes())
        self.leaving.at_boundary(self._clock, savable=savable and not self._unclear, over=loop_ended)
        self._unclear = False
        self.tracking.leave_boundary(step_follows=not pauses)
        if self._bar.is_watched:
            self._bar.update(progress_of(self.loops.cursor.open_loops, self.saving.pace), self.loops.cursor.step)
        self._tell_news()
        self.loop_seconds += time.perf_counter() - self._clock
        self._clock = time.perf_counter()

    def entered_again(self, name: str) -> None:
        """Go back to the newest checkpoint."""
        self._rewind(f"{name} was left before its end")

    def _before_step(self) -> None:
        """Of whichever session it is by then."""
        self.saving.before_step()

    def already_complete(self, name: str, turns: int) -> None:
        """Say so: a second loop without a name of its own would silently not run."""
        self._remarks.already_complete(name, self.loops.cursor.turns(name), turns)

    def _save_if_due(self, *, whole: bool, step_follows: bool) -> None:
        self.saving.make_way()
        if self.saving.is_due(self.loops.cursor.step) and (whole or self.tracking.is_whole()):
            self.logbook.read()
            self.saving.save(self._parts(), self.loops.cursor.position(), step_follows=step_follows)
            self._remarks.reshaped(self.tracking.reshaped, self.loops.cursor.step)
        self.saving.measured.pass_by()

    def _save_here(self) -> bool:
        """Capture the state at this boundary as a whole, whatever was captured last; whether that was possible."""
        self.saving.writer.wait(None)
        if not self.tracking.is_whole():
            return False
        if not self.saving.holds(self.loops.cursor.step):
            self.saving.ask(None)
            self._save_if_due(whole=True, step_follows=False)
        return not self.saving.capture_problem

    def _parts(self) -> Iterator[LiveState]:
        yield from self.tracking.live()
        yield LiveState(RNG, "rng", self._chance.hold(), is_settled=True)
        own = {"made": self._made.state(), "settings": self._settings.state()}
        loops = {**self.loops.state(), **own, **self._chance.state(), **self._forgotten.state()}
        yield LiveState.of(_LOOPS, "loops", loops, is_settled=self.loops.is_settled(loops))

    def _let_go_of_restored(self) -> None:
        if self._restored is None:
            return
        for name in sorted(self._restored.kinds().keys() - set(self.tracking.names()) - _OWN):
            if self._made.may_live_on(name):
                warn(f"{name} was made in an earlier epoch; if it is still used, make it and track it before the loop")
            elif name not in self._made.names:
                warn(f"{name} is in the checkpoint but was not tracked again; its state is dropped")
        self._restored.let_go()
        self._restored = None

    def close(self) -> None:
        """Nothing more comes: let go of everything, take the bar away, and tell what still does not work."""
        if "saving" in vars(self):
            self.saving.close(_CLOSE_SECONDS)
        if not self.is_closed:
            self.tell_problems()
        self._bar.close()

    def _tell_news(self) -> None:
        """Each problem once while it lasts, what is safe for the first time, how the replay of lost steps came out."""
        self.tell_problems()
        if self._first_safe_due and (safe := self.saving.own_safe) is not None:
            self._first_safe_due = False
            say(f"{self._name} · {first_safe(self._remote_name, safe.step, max(0.0, time.time() - safe.created))}")
        if news := self.saving.news():
            say(f"{self._name} · {news}")
        report = self.saving.replay.report
        if self._replaying and (report.over or report.first_difference):
            self._replaying = False
            (warn if report.first_difference else say)(f"{self._name} · replay: {report.line}")


def _loops_of(restored: Restored) -> dict[str, Any]:
    loops = restored.part(_LOOPS) if _LOOPS in restored.kinds() else None
    if isinstance(loops, dict) and loops.keys() >= {"turns", "passes", "loaders", "made", "setup", "stood"}:
        return loops
    raise StateMismatch(
        f"the checkpoint of step {restored.manifest.step} does not say how its loops stood; another version made it",
        hint="go on with that version of colab_resume, or start a run with another name",
    )
