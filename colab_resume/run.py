"""The facade and composition root: the only module that knows all the others.

A `Run` follows the user's loops. Between two steps, and only there, it may capture the state; on a restart it leads
the same code back to the boundary of the checkpoint and puts the state back for good at that very place.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from .checking import Report, check
from .checkpoints.retention import Best, Keep
from .colab import asking
from .colab.handing_back import give_back_vm
from .course import Course
from .display.panel import Panel, open_panel
from .display.text import report, say, warn
from .errors import NotSafe, RunInUse, UsageError
from .frameworks import attach
from .remotes import Remote
from .saving import Options, Saving, status_of
from .sessions.identity import Ending
from .site import Site, address, open_site
from .status import Status
from .training.journal import Record, history
from .training.loops import Loops
from .training.objects.parts import Values
from .training.objects.several import singly
from .training.progress import progress_of
from .training.tracking import VALUES

__all__ = ["Run", "setup"]

T = TypeVar("T")

_open_runs: dict[Path, Run] = {}


def setup(
    name: str | None = None,
    *,
    drive: bool = True,
    remote: str | Path | Remote | None = None,
    store: str | Path | None = None,
    every: int | str | float | None = None,
    budget: float = 0.02,
    keep: Keep | None = None,
    upload_limit: str | float | None = None,
    session_limit: str | float | None = None,
    takeover: bool = False,
) -> Run:
    """Open the run of this name and find its newest good checkpoint; a second call in the same process returns the run.

    `name`: by default the notebook's. `remote`: where checkpoints survive the VM: a folder (on a mounted Drive),
    "drive:folder" (Drive by its API), a URL that fsspec knows ("s3://bucket/folder"), or any object with the five
    members of `colab_resume.remotes.Remote`; by default the best that works here, which on Colab is Google Drive,
    mounted if need be, and on a machine of your own its disk. `drive=False`: not Drive, unless `remote` names it.
    `store`: the folder on this machine's own disk (default: chosen for you). `every`: 500 steps, "5 min", "1 epoch", or
    None for as often as is worth its cost. `budget` bounds that cost: the part of the time that saving may take, stalls
    and slower steps together. Where it allows one more, the end of each epoch is saved, too. `keep`: which checkpoints
    stay. `upload_limit`: how fast to send at most, as "5 MB/s" or "20 Mbit/s".
    `session_limit`: how long this VM may live, as "12h"; before that the newest state is saved and brought to safety.
    `takeover`: go on even if another session still works on the run; that one then stops writing, and says so.

    What is drawn after this call and before the first loop is drawn again, the same, in each later session.

    Raises `UsageError` for a name or option that cannot be meant, `RemoteError` if the remote cannot be asked,
    `NoGoodCheckpoint` if there are checkpoints and none can be read, `RunInUse` if another session works on the run,
    `StoreError` if the disk refuses.
    """
    where = address(name, store=store)
    options = Options(every=every, budget=budget, keep=keep or Keep(), session_limit=session_limit)
    if (known := _open_runs.get(where.store)) is not None:
        if known._is_open:
            known._set_up_again(options, remote, takeover=takeover)
            return known
        known._close()  # an interrupt had kept it from that
    site = open_site(where, drive=drive, remote=remote, upload_limit=upload_limit)
    return _opened(site, options, takeover=takeover)


def _opened(site: Site, options: Options, *, takeover: bool) -> Run:
    try:
        return Run(site, options, takeover=takeover)
    except RunInUse as error:
        if takeover or not asking.takeover(site.address.name, error.what):
            raise
    return Run(site, options, takeover=True)


class Run:
    """A named training that outlives VMs; made by `setup`."""

    def __init__(self, site: Site, options: Options, *, takeover: bool = False) -> None:
        self.name = site.address.name
        self._site = site
        self._root = site.address.store
        self._options = options
        place = site.address.place.kind.value
        self._course = Course(
            self.name,
            self._root,
            site.remote,
            options,
            place=place,
            remote_name=site.remote_name,
        )
        self._pid = os.getpid()
        self._checked: list[dict[str, Any]] | None = None
        """What is logged while a check is under way; it does not belong to the history."""
        self._panel: Panel | None = None
        self._finished = True
        # Ctrl-C may come at any line: whatever is open by then can be found, and is closed before it is opened anew.
        _open_runs[self._root] = self
        try:
            self._open(takeover=takeover)
        except BaseException:
            self._close()
            raise

    def _open(self, *, takeover: bool) -> None:
        self._course.begin(takeover=takeover)
        self._finished = False
        self._panel = open_panel(self.status)
        say(report(self.status()))
        self._course.tell_problems()
        self._course.leaving.watch(self._close)

    def track(self, **objects: Any) -> None:
        """Track these objects; what the checkpoint holds under their names is put into them at once.

        Anything with `state_dict`/`load_state_dict`, `get_state`/`set_state`, `save_state(path)`/`load_state(path)`, a
        pair `(get, set)`, a torch or numpy generator; an object of a class of your own, by its attributes, and so an
        environment of Gymnasium written in python; a list or dict of such; and a log that the training writes itself,
        a file that is open for writing or a TensorBoard `SummaryWriter`.

        Raises `UsageError` for others, `EncodingError` for a state that cannot be stored, `StateMismatch` with one
        readable list if the objects are not those of the checkpoint.
        """
        self._refuse_if_finished()
        self._course.track(singly(objects))

    def attach(self, thing: T) -> T:
        """Go along with a loop that somebody else owns (a Keras model, HF's or Lightning's `Trainer`): train as always.

        Gives the object back. Raises `UsageError` for what is no such thing, or could not be made exact.
        """
        self._refuse_if_finished()
        return attach(self, thing)

    def state(self, **defaults: Any) -> Values:
        """Plain values that survive: `s = run.state(best=0.0)`, then `s.best = ...`; what was saved wins."""
        values = self._course.tracking.values
        for key, value in defaults.items():
            values.__dict__.setdefault(key, value)
        self._course.track({VALUES: values})
        return values

    def folder(self, path: str | Path, *, name: str | None = None) -> Path:
        """Bring back a folder that another framework writes its checkpoints to, and mirror it from now on; its path.

        Call it before that framework looks into it. On a new VM the newest complete set of its files is put there; what
        is there and belongs to no set is set aside. Files that have settled go to the remote as one set: complete or
        absent. `name`: what the folder is called on the remote, by default as here.

        Raises `UsageError` for what cannot be meant, `RemoteError` if the remote cannot be asked, `NoGoodCheckpoint` if
        there are sets and none can be used, `StoreError` if the disk refuses.
        """
        self._refuse_if_finished()
        return self._course.folder(path, name)

    def epochs(self, n: int, *, name: str = "epochs") -> Iterator[int]:
        """Count epochs from 0; those that are done are skipped. A second such loop needs a `name` of its own."""
        self._refuse_if_finished()
        return self._loops.counted("epochs", n, name)

    def steps(self, n: int, *, name: str = "steps") -> Iterator[int]:
        """Count steps from 0; those that are done are skipped. A second such loop needs a `name` of its own."""
        self._refuse_if_finished()
        return self._loops.counted("steps", n, name)

    def batches(self, loader: Iterable[T], *, ahead: bool | None = None) -> Iterable[T]:
        """The loader itself, except that iterating it skips the batches that were trained on, without loading them.

        Control comes back here between two steps, and there the state may be saved. Inside a loop over epochs, code
        before this loop runs again when a restart continues in the middle of an epoch. `enumerate` around it counts as
        it would have without the restart; what cannot, such as `itertools.islice`, is refused (`UsageError`).

        `ahead=True`: the code draws each batch before it has trained on the one before, as prefetchers do; so one
        batch is in its hands at each boundary, and a restart draws that one again. `ahead=False`: it certainly does
        not. If nothing is said, a run that looks like one that does is refused in its first step (`UsageError`); and so
        is a framework that draws here in a loop of its own, which `run.attach` is for.
        """
        self._refuse_if_finished()
        return self._loops.batches(loader, ahead=ahead)

    def boundary(self, **metrics: Any) -> None:
        """Say that a step is complete, in a loop of your own; if the next batch is drawn before, say `ahead=True`."""
        self._refuse_if_finished()
        if self._checked is None:
            self._loops.own_loop()
        if metrics:
            self.log(**metrics)
        if self._checked is None:
            self._loops.step_done()

    def log(self, **metrics: Any) -> None:
        """Add numbers, texts or one-element tensors of this step to the history."""
        self._refuse_if_finished()
        values = {key: value.item() if hasattr(value, "item") else value for key, value in metrics.items()}
        if self._checked is not None:
            self._checked.append(values)
            return
        self._course.logbook.log(values)

    def _log_soon(self, names: Collection[str], values: Callable[[], Mapping[str, float]]) -> None:
        """Log what `values` returns under these names when it is there, as numbers of the step that is under way."""
        self._refuse_if_finished()
        if self._checked is None:
            self._course.logbook.announce(names, values)
        else:
            self.log(**values())

    def history(self) -> tuple[Record, ...]:
        """Everything that was logged by this run, in all its sessions, without what lost steps had logged."""
        self._course.logbook.read()
        found = history(self._root / "journal", self._saving.found.mark, live=self._saving.journal)
        for flaw in found.flaws:
            warn(flaw)
        return found.records

    def save(self, tag: str | None = None) -> None:
        """Save at the next boundary, or at once outside of loops; a tagged checkpoint is kept for good."""
        self._refuse_if_finished()
        self._saving.ask(tag)
        self._course.save_outside()

    def best(self, metric: str, mode: Literal["min", "max"]) -> None:
        """Keep the checkpoint with the best logged value of this metric, and save whenever there is a better one.

        It is the state that the value was measured with. For that the loop waits while another checkpoint is being
        written, but not for a metric that is logged in nearly every step: then the best of those that are made anyway.
        """
        self._course.logbook.read()
        self._course.keep_best(Best(metric, mode))

    def check(self, step: Callable[..., Any], loader: Iterable[Any] | None = None, *, steps: int = 3) -> Report:
        """Try out, before hours are spent, whether a restart brings back all that a training step depends on.

        `step(batch)`, or `step()` without a loader, makes one real training step; what it returns and logs is compared.
        A few steps are made, and made again after a restart that is as real as one can be inside this process; the
        table says what was different and why. Afterwards the training is exactly where it was.

        Raises `UsageError` if nothing is tracked or a loop is open, and whatever the step raises.
        """
        self._refuse_if_finished()
        if self._loops.cursor.inside:
            raise UsageError("a loop is open", hint="call run.check(...) before the loop begins")
        self._checked = []
        try:
            report = check(self._course.tracking, step, loader, steps=steps, log=self._take_checked)
        finally:
            self._checked = None
        say(str(report))
        return report

    def status(self) -> Status:
        """What is saved where, what was lost, what it costs, what does not work."""
        loops = self._loops.cursor.open_loops
        return status_of(
            self._saving,
            self.name,
            step=self._loops.cursor.step,
            loop_seconds=self._course.loop_seconds,
            progress=progress_of(loops, self._saving.pace),
            place=self._site.line,
            remote_name=self._site.remote_name,
        )

    def flush(self, timeout: float | None = None) -> None:
        """Wait until the newest checkpoint is on the disk and confirmed by the remote; else `NotSafe` says why not."""
        self._refuse_if_finished()
        self._saving.flush(timeout)

    def finish(self, timeout: float | None = None, *, disconnect: bool = False) -> None:
        """Save the final state, wait until the remote has confirmed it, and end the run; `NotSafe` if that failed.

        `disconnect`: then give the VM back, on Colab; never before the remote has confirmed the newest checkpoint.

        A loop that was left early (by `break` or an exception) is no boundary: then what was saved last stays the
        newest, and the loop goes on from there when the run is started again.
        """
        if self._finished:
            return
        self._loops.cursor.put_down()
        try:
            self._course.logbook.read()
            if self._course.moved and self._loops.between_steps:
                self.save()
            how, why = self._how_it_ends(timeout)
            self._saving.end(how, error=why)
            self._saving.flush(timeout)
            if disconnect:
                self._refuse_if_unsafe()
        finally:
            # What is not safe by now is not waited for again: Ctrl-C must work, and the next start goes on from here.
            self._close()
        if disconnect and not give_back_vm(self._site.address.place):
            say(f"{self.name} · there is no VM to give back here")

    def _how_it_ends(self, timeout: float | None) -> tuple[Ending, str]:
        """A run whose final state could not be saved has not finished, whatever its loops did."""
        self._saving.writer.wait(timeout)
        if problem := self._saving.capture_problem or self._saving.writer.problem:
            return "failed", problem
        return "clean" if self._loops.between_steps else "interrupted", ""

    def _refuse_if_unsafe(self) -> None:
        saved, safe = self._saving.saved, self._saving.mirror.safe
        if (saved is not None and safe != saved) or not all(folder.is_safe for folder in self._saving.folders.status):
            raise NotSafe(
                "the VM is kept: nothing has confirmed that the newest checkpoint would survive it",
                hint="see where checkpoints go (run.status().proof), and disconnect by hand when they are there",
            )

    def _set_up_again(self, options: Options, remote: str | Path | Remote | None, *, takeover: bool) -> None:
        """`setup` was called again."""
        self._refuse_elsewhere()
        changed = self._options.differences(options)
        if remote is not None and self._site.given != remote:
            changed.append(f"remote={self._site.given!r} would become {remote!r}")
        if changed:
            raise UsageError(
                f"run {self.name!r} is open, and these options are others now: {', '.join(changed)}",
                hint="call run.finish() first, or leave the options as they are",
            )
        self._course.set_up(takeover=takeover)
        if self._panel is not None:
            self._panel.show()

    @property
    def _saving(self) -> Saving:
        return self._course.saving

    @property
    def _loops(self) -> Loops:
        return self._course.loops

    def _take_checked(self) -> list[dict[str, Any]]:
        taken, self._checked = self._checked or [], []
        return taken

    def _refuse_elsewhere(self) -> None:
        """A forked process has a copy of the run, but none of its threads, and its files are the parent's."""
        if os.getpid() != self._pid:
            raise UsageError(
                f"run {self.name!r} belongs to the process that this one was forked from",
                hint="call it there; what a worker finds out, let it return",
            )

    @property
    def _is_open(self) -> bool:
        """Whether it has a session to train in; it has none, too, where one was left and the next has not begun."""
        return not self._finished and not self._course.is_closed

    def _refuse_if_finished(self) -> None:
        self._refuse_elsewhere()
        if not self._is_open:
            how = "is finished" if self._finished else "was interrupted while it began anew"
            raise UsageError(f"run {self.name!r} {how}", hint="call colab_resume.setup(...) again")

    def _close(self) -> None:
        self._finished = True
        self._course.leaving.unwatch()
        self._course.close()
        if self._panel is not None:
            self._panel.close(self.status())
        if _open_runs.get(self._root) is self:
            del _open_runs[self._root]
