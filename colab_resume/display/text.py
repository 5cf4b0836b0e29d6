"""The status as plain lines, which a saved notebook or a log keeps."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..status import Status
from .marks import Mark
from .tables import duration, printable, size, width
from .view import FIRST_START, story, view

__all__ = ["disk_line", "first_safe", "report", "room_line", "say", "summary", "warn"]

_LOG = logging.getLogger("colab_resume")


def say(line: str) -> None:
    """One line for the user."""
    print(f"colab_resume · {line}", flush=True)


def warn(line: str) -> None:
    """One line about something that does not work; through logging, which never raises into a training."""
    _LOG.warning("colab_resume · %s", line)


def report(status: Status) -> str:
    """What happened before this session, in a few aligned lines."""
    rows = [("on", status.place)] if status.place else []
    rows += [(line.label, line.text) for line in story(status) if line.text != FIRST_START]
    rows += [("proof", status.proof)] if status.proof else []
    begins = FIRST_START
    if status.restarts:
        begins = f"restart {status.restarts}" + (", nothing to restore" if status.restored is None else "")
    return _rows(f"{status.run} · session {status.session} · {begins}", rows)


def summary(status: Status) -> str:
    """All that the panel shows, in aligned lines, for where there is no panel."""
    shown = view(status)
    going = [shown.going.where, *([shown.going.pace] if shown.going.pace else [])]
    if shown.going.share is not None:
        going.append(f"{shown.going.share:.0%}")
    rows = [(line.label, _marked(line.text, line.mark)) for line in shown.story]
    rows += [("state", _marked(shown.state.text, shown.state.mark)), ("progress", " · ".join(going))]
    rows += [
        (stage.title, _marked(", ".join(filter(None, [stage.step, stage.detail, stage.note])), stage.mark))
        for stage in shown.stages
    ]
    rows += [(fact.label, _marked(", ".join(filter(None, [fact.value, fact.note])), fact.mark)) for fact in shown.facts]
    for problem in shown.problems:
        rows.append(("problem", _marked(problem.what, Mark.WARN)))
        rows += [("", f"-> {problem.hint}")] if problem.hint else []
    return _rows(f"{shown.run} · {shown.session}", rows)


def first_safe(where: str, step: int, seconds: float) -> str:
    """The milestone after which the loss of the VM no longer loses everything; `seconds` after its capture."""
    return f"first checkpoint safe on {where}: step {step}, {duration(seconds)} after it was captured"


def _marked(text: str, mark: Mark) -> str:
    return f"{text} ({mark.value})" if mark is Mark.WARN else text


def _rows(head: str, rows: Sequence[tuple[str, str]]) -> str:
    label = max(10, *(width(name) for name, _ in rows), 0)
    return "\n".join([printable(head), *(f"  {name:<{label}} {printable(text)}" for name, text in rows)])


def room_line(need: int, room: int, wanted: int) -> str:
    """What fits, if that is less than is to be kept and one more on its way; `need`: the bytes of one checkpoint."""
    fit = room // need if need else wanted + 1
    if fit > wanted:
        return ""
    have = f"a checkpoint needs about {size(need)}, and the remote has {size(room)} for them"
    if fit > 1:
        return f"{have}: it keeps {fit - 1} of {wanted}, for a new one needs its place before an old one goes"
    if fit == 1:
        return f"{have}: one fits, and no newer one can take its place; free some space"
    return f"{have}: none fits, so they stay on this disk until there is space"


def disk_line(need: int, room: int) -> str:
    """Whether this disk has room for a checkpoint and the next one, for one goes only when the other is there."""
    if room >= 2 * need:
        return ""
    have = f"a checkpoint needs about {size(need)}, and this machine's disk has {size(room)} for them"
    return f"{have}: free some space, or {'only one can be saved' if room >= need else 'nothing can be saved'}"
