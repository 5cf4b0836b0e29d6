"""What there is to show of a run, as texts: one pure function of the status, for the panel and for plain text alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..sessions.times import span
from ..status import Folder, Status
from .facts import Fact, facts
from .marks import Mark
from .stages import Stage, stages
from .tables import ago, duration, size

__all__ = ["FIRST_START", "Going", "Line", "Problem", "View", "story", "view"]

FIRST_START = "first start, nothing to restore"


@dataclass(frozen=True)
class Line:
    """One row of what happened."""

    label: str
    text: str
    mark: Mark = Mark.NONE


@dataclass(frozen=True)
class Going:
    """How far the training is; `share` is between 0 and 1, None if its end is unknown."""

    where: str
    pace: str
    share: float | None


@dataclass(frozen=True)
class Problem:
    """What does not work, and what to do about it."""

    what: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class View:
    """All of it, in the order in which it is shown."""

    run: str
    session: str
    state: Line
    story: tuple[Line, ...]
    going: Going
    stages: tuple[Stage, Stage, Stage]
    facts: tuple[Fact, ...]
    problems: tuple[Problem, ...]


def view(status: Status) -> View:
    """What there is to show of this status."""
    replay = (Line("replay", status.replay, _replay_mark(status.replay)),) if status.replay else ()
    beside = tuple(Line(label, text) for label, text in (("on", status.place), ("proof", status.proof)) if text)
    return View(
        run=status.run,
        session=f"session {_number(status)}",
        state=_state(status),
        story=(*story(status), *replay, *beside, *(_folder(one, status.at) for one in status.folders)),
        going=_going(status),
        stages=stages(status),
        facts=facts(status),
        problems=tuple(Problem(*text.split("\n  -> ", 1)) for text in status.problems),
    )


def story(status: Status) -> tuple[Line, ...]:
    """What happened before this session."""
    return tuple(_story(status))


def _story(status: Status) -> Iterator[Line]:
    if status.happened:
        yield Line("happened", status.happened)
    if status.advice:
        yield Line("advice", status.advice, Mark.WARN)
    if status.restored is None:
        if not status.happened:
            yield Line("happened", FIRST_START)
        return
    took = duration(status.restore_seconds)
    yield Line("restored", f"step {status.restored}, verified, in {took}", Mark.GOOD)
    for reason in status.set_aside:
        yield Line("set aside", reason, Mark.WARN)
    if status.lost_steps:
        took = f" = {duration(status.lost_seconds)}" if status.lost_seconds else ""
        lost = "1 step" if status.lost_steps == 1 else f"{status.lost_steps} steps"
        yield Line("lost work", f"at least {lost}{took}, {'it runs' if lost == '1 step' else 'they run'} again")
    for line in status.changed:
        yield Line("changed", line, Mark.WARN)
    if status.changed:
        yield Line("", "so it goes on correctly, but not promised to be bit for bit")


def _folder(folder: Folder, at: float) -> Line:
    """One row: how much it is, and how far its newest settled state has come."""
    if folder.captured_at is None:
        return Line("folder", f"{folder.name}: nothing has settled yet", Mark.WARN if folder.problem else Mark.WAITS)
    files = "1 file" if folder.files == 1 else f"{folder.files} files"
    what = f"{folder.name}: {files}, {size(folder.size)}, of {ago(at - folder.captured_at)}"
    if folder.problem:
        return Line("folder", what, Mark.WARN)
    if folder.is_safe:
        return Line("folder", f"{what}, safe", Mark.GOOD)
    sent = folder.captured_at == folder.sent_at
    return Line("folder", f"{what}, {'handed over' if sent else 'on its way'}", Mark.MOVES)


def _number(status: Status) -> str:
    """Which session of the run this is, and its own short name."""
    return f"{status.restarts + 1} ({status.session})"


def _replay_mark(replay: str) -> Mark:
    if replay.endswith("(first difference)"):
        return Mark.WARN
    return Mark.BUSY if replay.endswith("so far") else Mark.GOOD


def _state(status: Status) -> Line:
    if status.ended:
        word = {"clean": "finished"}.get(status.ended, status.ended)
        return Line("state", word, Mark.GOOD if status.ended == "clean" and not status.problems else Mark.WARN)
    if status.problems:
        return Line("state", "trains on, needs attention", Mark.WARN)
    return Line("state", "ready" if status.progress is None else "training", Mark.BUSY)


def _going(status: Status) -> Going:
    progress = status.progress
    if progress is None:
        return Going(f"step {status.step}", "the loop has not begun", None)
    within = _of("batch", progress.batch, progress.batches)
    over = _of("step", status.step, progress.steps)
    epoch = None if progress.epoch is None else _of("epoch", progress.epoch + 1, progress.epochs)
    share = 1.0 if status.ended == "clean" else progress.share
    if share is None and progress.steps:
        share = min(1.0, status.step / progress.steps)
    return Going(" · ".join(filter(None, [epoch, within, over])), _pace(status), share)


def _of(noun: str, number: int | None, total: int | None) -> str | None:
    if number is None:
        return None
    return f"{noun} {number} of {total}" if total else f"{noun} {number}"


def _pace(status: Status) -> str:
    progress = status.progress
    if status.ended or progress is None or not progress.seconds_per_step:
        return ""
    pace = progress.seconds_per_step
    rate = f"{pace:.1f} s/step" if pace >= 1 else f"{1 / pace:.{1 if pace > 0.1 else 0}f} steps/s"
    left = _steps_left(status)
    return rate if left is None else f"{rate} · about {span(left * pace)} left"


def _steps_left(status: Status) -> int | None:
    progress = status.progress
    if progress is None:
        return None
    if progress.steps:
        return max(0, progress.steps - status.step)
    if not progress.epochs or progress.epoch is None or not progress.batches:
        return None
    return max(0, (progress.epochs - progress.epoch) * progress.batches - (progress.batch or 0))
