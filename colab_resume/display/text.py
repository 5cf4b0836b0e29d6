"""The status as plain lines, which a saved notebook or a log keeps."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..status import Status
from .tables import size

__all__ = ["duration", "report", "room_line", "say", "warn"]

_LOG = logging.getLogger("colab_resume")


def say(line: str) -> None:
    """One line for the user."""
    print(f"colab_resume · {line}", flush=True)


def warn(line: str) -> None:
    """One line about something that does not work; through logging, which never raises into a training."""
    _LOG.warning("colab_resume · %s", line)


def report(status: Status) -> str:
    """What happened before this session, in a few aligned lines."""
    proof = [("proof", status.proof)] if status.proof else []
    if status.restored is None:
        return _rows(f"{status.run} · session {status.session} · first start, nothing to restore", proof)
    rows = [("restored", f"step {status.restored}, verified, in {duration(status.restore_seconds)}")]
    rows += [("set aside", reason) for reason in status.set_aside]
    if status.lost_steps:
        took = f" = {duration(status.lost_seconds)}" if status.lost_seconds else ""
        rows.append(("lost work", f"at least {status.lost_steps} steps{took}, they run again"))
    rows += [("changed", line) for line in status.changed]
    if status.changed:
        rows.append(("", "so it goes on correctly, but not promised to be bit for bit"))
    return _rows(f"{status.run} · session {status.session} · restart {status.restarts}", rows + proof)


def _rows(head: str, rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join([head, *(f"  {name:<10} {text}" for name, text in rows)])


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


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
