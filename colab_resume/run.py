"""The facade and composition root: the only module that knows all the others.

A `Run` follows the user's loops. Between two steps, and only there, it may capture the state; on a restart it leads
the same code back to the boundary of the checkpoint and puts the state back for good at that very place.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from .checkpoints.retention import Best, Keep
from .colab.runtime import local_disk
from .display.bars import byte_bar
from .display.text import report, say, warn
from .errors import ColabResumeError, UsageError
from .remotes import Remote, open_remote
from .remotes.prefixed import PrefixedRemote
from .remotes.retrying import Retrying
from .restore import Restored
from .saving import Options, Saving
from .sessions.names import run_folder
from .status import Status
from .training import randomness
from .training.journal import Record, history
from .training.loops import Loops
from .training.parts import Values
from .training.position import Position
from .training.tracking import RNG, VALUES, Tracking

__all__ = ["Run", "setup"]

T = TypeVar("T")

_EXIT_SECONDS = 30.0
_CLOSE_SECONDS = 5.0
_open_runs: dict[Path, Run] = {}


def setup(
    name: str,
    *,
    remote: str | Path | Remote | None = None,
    store: str | Path | None = None,
    every: int | str | float | None = None,
    budget: float = 0.02,
    keep: Keep | None = None,
) -> Run:
    """Open the run of this name and find its newest good checkpoint; a second call in the same process returns the run.

    `remote`: where checkpoints survive the VM: a folder (a mounted Drive) or any object with the five members of
    `colab_resume.remotes.Remote`; without one, only restarts on this disk are survived. `store`: the folder on this
    machine's own disk (default: chosen for you). `every`: 500 steps, "5 min", or None for as often as is worth its
    cost. `budget` bounds that cost: the part of the time that saving may take, stalls and slower steps together.
    `keep`: which checkpoints stay.

    Raises `UsageError` for a name or option that cannot be meant, `RemoteError` if the remote cannot be asked,
    `NoGoodCheckpoint` if there are checkpoints and none can be read, `StoreError` if the disk refuses.
    """
    folder = run_folder(name)
    root = Path(store) if store is not None else local_disk()
    path = (root / folder).absolute()
    options = Options(every=every, budget=budget, keep=keep or Keep())
    if (known := _open_runs.get(path)) is not None:
        known._same_or_refuse(options)
        return known
    far = None if remote is None else Retrying(PrefixedRemote(_remote(remote), folder))
    run = Run(name, path, far, options)
    _open_runs[path] = run
    return run


def _remote(remote: str | Path | Remote) -> Remote:
    return open_remote(remote) if isinstance(remote, (str, Path)) else remote


class Run:
    """A named training that outlives VMs; made by `setup`."""

    def __init__(self, name: str, root: Path, remote: Remote | None, options: Options) -> None:
        self.name = name
        self._root = root
        self._remote = remote
        self._options = options
        self._tracking = Tracking()
        self._loops = Loops(self)
        self._pid = os.getpid()
        self._finished = False
        self._best: Best | None = None
        self._begin()
        say(report(self.status()))
        atexit.register(self._at_exit)

    def track(self, **objects: Any) -> None:
        """Track these objects; what the checkpoint holds under their names is put into them at once.

        Anything with `state_dict`/`load_state_dict`, `get_state`/`set_state`, `save_state(path)`/`load_state(path)`, a
        pair `(get, set)`, a torch or numpy generator. Raises `UsageError` for others, `EncodingError` for a state that
        cannot be stored, `StateMismatch` with one readable list if the objects are not those of the checkpoint.
        """
        self._refuse_if_finished()
        if self._moved and not self._loops.cursor.inside and (names := self._tracking.replaced(objects)):
            if self._loops.settled and not self._set_up_again:
                raise UsageError(
                    f"{', '.join(names)} already stands for another object",
                    hint="choose another name for a second phase; if this cell runs again, run setup's cell first",
                )
            self._rewind("its objects were made anew")
        self._tracking.add(objects)
        self._tracking.check(objects)
        self._apply(objects)

    def state(self, **defaults: Any) -> Values:
        """Plain values that survive: `s = run.state(best=0.0)`, then `s.best = ...`; what was saved wins."""
        values = self._tracking.values
        for key, value in defaults.items():
            values.__dict__.setdefault(key, value)
        self._tracking.check([VALUES])
        self._apply([VALUES])
        return values

    def epochs(self, n: int, *, name: str = "epochs") -> Iterator[int]:
        """Count epochs from 0; those that are done are skipped. A second such loop needs a `name` of its own."""
        self._refuse_if_finished()
        return self._loops.counted("epochs", n, name)

    def steps(self, n: int, *, name: str = "steps") -> Iterator[int]:
        """Count steps from 0; those that are done are skipped. A second such loop needs a `name` of its own."""
        self._refuse_if_finished()
        return self._loops.counted("steps", n, name)

    def batches(self, loader: Iterable[T]) -> Iterator[T]:
        """The batches of one pass over the loader; those that were trained on are skipped without being loaded.

        Control comes back here between two steps, and there the state may be saved. Inside a loop over epochs, code
        before this loop runs again when a restart continues in the middle of an epoch; `enumerate` then counts from 0.
        """
        self._refuse_if_finished()
        return self._loops.batches(loader)

    def boundary(self, **metrics: Any) -> None:
        """Say that a step is complete, in a loop of your own; call it before the next batch is drawn."""
        self._refuse_if_finished()
        self._loops.own_loop()
        if metrics:
            self.log(**metrics)
        self._loops.step_done()

    def log(self, **metrics: Any) -> None:
        """Add numbers, texts or one-element tensors of this step to the history."""
        self._refuse_if_finished()
        if self._loops.on_the_way_back or self._loops.cursor.is_known():
            return  # this code runs again; what it logged is in the history already
        values = {key: value.item() if hasattr(value, "item") else value for key, value in metrics.items()}
        record = self._saving.journal.log(self._loops.current_step, values, epoch=self._loops.cursor.epoch)
        self._saving.replay.observe(record)
        self._saving.note_metrics(values)

    def history(self) -> tuple[Record, ...]:
        """Everything that was logged by this run, in all its sessions, without what lost steps had logged."""
        found = history(self._root / "journal", self._saving.parent_mark, live=self._saving.journal)
        for flaw in found.flaws:
            warn(flaw)
        return found.records

    def save(self, tag: str | None = None) -> None:
        """Save at the next boundary, or at once outside of loops; a tagged checkpoint is kept for good."""
        self._refuse_if_finished()
        self._saving.ask(tag)
        if self._moved and self._loops.between_steps:
            self.at_boundary(savable=True, loop_ended=True)

    def best(self, metric: str, mode: Literal["min", "max"]) -> None:
        """Keep the checkpoint with the best logged value of this metric, and save whenever there is a better one."""
        self._best = self._saving.best = Best(metric, mode)

    def status(self) -> Status:
        """What is saved where, what was lost, what it costs, what does not work."""
        cursor = self._loops.cursor
        return self._saving.status(self.name, cursor.step, cursor.epoch, self._loop_seconds)

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the newest checkpoint is on the disk and confirmed by the remote; else `NotSafe` says why not."""
        self._refuse_if_finished()
        self._saving.flush(timeout)

    def finish(self, timeout: float | None = None) -> None:
        """Save the final state, wait until the remote has confirmed it, and end the run; `NotSafe` if that failed.

        A loop that was left early (by `break` or an exception) is no boundary: then what was saved last stays the
        newest, and the loop goes on from there when the run is started again.
        """
        if self._finished:
            return
        try:
            if self._moved and self._loops.between_steps:
                self.save()
            self._saving.end("clean" if self._loops.between_steps else "interrupted")
            self._saving.flush(timeout)
        finally:
            # What is not safe by now is not waited for again: Ctrl-C must work, and the next start goes on from here.
            self._close()

    # What the loops tell (LoopEvents).

    def arrived(self) -> None:
        """Put the restored state back for good: code on the way here may have drawn numbers or set values."""
        if self._restored is not None:
            self._tracking.apply(self._restored, self._tracking.names())
            randomness.restore(self._restored.part(RNG))
        self._clock = time.perf_counter()

    def begins(self) -> None:
        """Save the state before the first step: there is always something to go back to, and a bad remote shows now."""
        self._saving.ask(None)
        self._save_if_due(whole=True)

    def at_boundary(self, *, savable: bool, loop_ended: bool) -> None:
        """Capture the state if that is due."""
        if not self._loops.cursor.arrived:
            return
        before, self._clock = self._clock, time.perf_counter()
        self._loop_seconds += self._clock - before
        self._let_go_of_restored()
        self._tracking.reach_boundary()
        self._moved = True
        self._saving.note_step(self._loops.cursor.step, self._clock - before, self._loop_seconds)
        if loop_ended:
            self._saving.ask(None)
            self._saving.writer.wait(None)
        if savable:
            self._save_if_due(whole=loop_ended)
        self._tracking.leave_boundary()
        self._tell_news()
        self._loop_seconds += time.perf_counter() - self._clock
        self._clock = time.perf_counter()

    def entered_again(self, name: str) -> None:
        """Go back to the newest checkpoint."""
        self._rewind(f"{name} was left before its end")

    def already_complete(self, name: str, turns: int) -> None:
        """Say so: a second loop without a name of its own would silently not run."""
        warn(f"{self.name}: loop {name!r} is complete ({turns} of {turns}); if this is another loop, give it a name=")

    # What happens inside.

    def _begin(self) -> None:
        self._saving = Saving(self._root, self._remote, self._options, progress=byte_bar)
        self._saving.best = self._best
        self._restored: Restored | None = self._saving.search.good
        self._loops.reset(Position.from_json(self._restored.manifest.position) if self._restored else None)
        self._moved = False
        self._set_up_again = False
        self._loop_seconds: float = 0.0
        self._clock = time.perf_counter()
        self._told: set[str] = set()
        self._replaying = self._saving.replay.report.lost > 0

    def _save_if_due(self, *, whole: bool) -> None:
        if self._saving.is_due(self._loops.cursor.step) and (whole or self._tracking.is_whole()):
            self._saving.save(self._parts(), self._loops.cursor.position())

    def _parts(self) -> Iterator[tuple[str, str, Any]]:
        yield from self._tracking.states()
        yield RNG, "rng", randomness.capture()

    def _apply(self, names: Iterable[str]) -> None:
        if self._restored is None:
            return
        found = self._tracking.apply(self._restored, names)
        for name in sorted(set(names) - set(found) - {VALUES}):
            warn(f"{name} is not in the checkpoint of step {self._restored.manifest.step}; it begins as it is")
        if self._loops.cursor.waits_for_no_loop:
            self.arrived()

    def _let_go_of_restored(self) -> None:
        if self._restored is None:
            return
        for name in sorted(self._restored.kinds().keys() - set(self._tracking.names()) - {RNG}):
            warn(f"{name} is in the checkpoint but was not tracked again; its state is dropped")
        self._restored = None

    def _rewind(self, why: str) -> None:
        """Begin a new session in this process, at the newest checkpoint."""
        self._saving.writer.wait(None)
        if self._moved and self._saving.saved is None:
            raise UsageError(
                f"{why}, and nothing was saved to go back to", hint="restart the kernel, and run the cells again"
            )
        self._saving.end("interrupted")
        self._saving.close(_CLOSE_SECONDS)
        self._begin()
        say(f"{self.name} · {why}: back to step {self._loops.cursor.step}")
        self._apply(self._tracking.names())

    def _same_or_refuse(self, options: Options) -> None:
        """`setup` was called again."""
        if options != self._options:
            raise UsageError(
                f"run {self.name!r} is open with {self._options}, not {options}",
                hint="call run.finish() first, or leave the options as they are",
            )
        self._set_up_again = True
        if self._moved and not self._loops.between_steps:
            self._rewind("it was interrupted")

    def _tell_news(self) -> None:
        """Each problem once while it lasts, and how the replay of the lost steps came out."""
        self._tell_problems()
        report = self._saving.replay.report
        if self._replaying and (report.over or report.first_difference):
            self._replaying = False
            (warn if report.first_difference else say)(f"{self.name} · replay: {report.line}")

    def _tell_problems(self) -> None:
        problems = self._saving.problems
        for where in problems.keys() - self._told:
            warn(problems[where])
        self._told = set(problems)

    def _refuse_if_finished(self) -> None:
        if self._finished:
            raise UsageError(f"run {self.name!r} is finished", hint="call colab_resume.setup(...) again")

    def _close(self) -> None:
        self._finished = True
        _open_runs.pop(self._root, None)
        atexit.unregister(self._at_exit)
        self._saving.close(_CLOSE_SECONDS)
        self._tell_problems()

    def _at_exit(self) -> None:
        """A courtesy of a process that ends in peace; one that is killed loses nothing that was safe."""
        if os.getpid() != self._pid:
            return
        self._saving.end("interrupted")
        try:
            self._saving.flush(_EXIT_SECONDS)
        except ColabResumeError as error:
            warn(str(error))
        self._close()
