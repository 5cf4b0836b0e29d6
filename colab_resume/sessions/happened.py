"""What happened between the last sign of life of a run and now, in one line, and what to do about it.

Read from the records that the sessions left and from what the machine still knows; no evidence is stretched: where a
crash and a kill leave the same traces, it says so. Pure but for one question: whether a process of this machine lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from .identity import SessionRecord
from .kernel_log import Restart
from .liveness import SILENT_SECONDS, lives_here
from .telling import Tale, advice_for, gpu_change, is_rented, text_for

__all__ = ["Happened", "Kind", "is_same_machine", "what_happened"]

Kind = Literal[
    "first start",
    "cell run again",
    "finished",
    "stopped by the user",
    "failed",
    "kernel restarted",
    "out of memory",
    "kernel crashed",
    "kernel ended without a word",
    "process ended",
    "machine restarted",
    "new VM after silence",
    "new VM after a clean end",
    "new VM after an interrupt",
    "new VM after a failure",
    "new VM after an exit",
    "other machine",
    "taken over",
]

_TOLERANCE = 2.0
"""Seconds by which the notebook server's account of a moment may differ from the record's."""
_AFTER: dict[str | None, Kind] = {
    None: "new VM after silence",
    "clean": "new VM after a clean end",
    "interrupted": "new VM after an interrupt",
    "failed": "new VM after a failure",
    "exited": "new VM after an exit",
}
_ENDED: dict[str | None, Kind] = {"clean": "finished", "interrupted": "stopped by the user", "failed": "failed"}


@dataclass(frozen=True, kw_only=True)
class Happened:
    """`text` is one line for people, and `advice` what they can do, empty if nothing.

    `last_sign` is when the session before gave its last sign of life (None: there was none), `gap` the seconds since,
    and `gpu` how the GPU has changed, as "T4 -> A100"; empty if it has not.
    """

    kind: Kind
    text: str
    advice: str = ""
    last_sign: float | None = None
    gap: float | None = None
    gpu: str = ""


def what_happened(
    records: Sequence[SessionRecord],
    present: SessionRecord,
    *,
    now: float,
    same_process: bool = False,
    takeover: bool = False,
    restarts: Sequence[Restart] = (),
    alive: Callable[[SessionRecord], bool] = lives_here,
    zone: tzinfo | None = None,
) -> Happened:
    """How the session before came to its end, and this one to its beginning.

    `records` are those of the sessions before `present`, in any order. `same_process`: the run was open in this process
    already, as far as the caller knows. `takeover`: another session that lives was no reason not to begin. `restarts`:
    what the notebook server says. `alive` is asked about records of this machine. Times are told in `zone`.
    """
    before = sorted((one for one in records if one.id != present.id), key=lambda one: (one.started, one.id))
    if not before:
        return Happened(kind="first start", text="first start, nothing to restore")
    rival = _rival(before, present, now, alive) if takeover else None
    last = rival or before[-1]
    kind: Kind = "taken over" if rival else _kind(last, present, same_process=same_process, restarts=restarts)
    last_sign = min(last.heartbeat, now)
    in_a_row = _in_a_row(kind, before)
    tale = Tale(kind=kind, last=last, present=present, last_sign=last_sign, now=now, in_a_row=in_a_row, zone=zone)
    return Happened(
        kind=kind,
        text=text_for(tale),
        advice=advice_for(tale),
        last_sign=last_sign,
        gap=now - last_sign,
        gpu=gpu_change(last, present),
    )


def _kind(last: SessionRecord, present: SessionRecord, *, same_process: bool, restarts: Sequence[Restart]) -> Kind:
    if same_process or _is_same_process(last, present):
        return _ENDED.get(last.ended, "cell run again")
    if is_same_machine(last, present):
        return _ENDED.get(last.ended) or _death(last, present, restarts)
    if last.host == present.host and not (is_rented(last.place) or is_rented(present.place)):
        return "machine restarted"
    if last.place and present.place and not (_kind_of_place(last) == _kind_of_place(present) and is_rented(last.place)):
        return "other machine"
    return _AFTER[last.ended]


def _death(last: SessionRecord, present: SessionRecord, restarts: Sequence[Restart]) -> Kind:
    """How a process of this machine ended that said nothing, or nothing but that it ended."""
    # What came first after the last sign of life is what ended it; later ones met processes that are none of ours, and
    # what was before it began made way for it.
    since = max(last.started, last.heartbeat - _TOLERANCE)
    restart = next((one for one in restarts if one.at >= since), None)
    if restart is not None and not restart.died:
        return "kernel restarted"
    if last.ended == "exited":
        return "process ended"
    if last.oom_kills is not None and present.oom_kills is not None and present.oom_kills > last.oom_kills:
        return "out of memory"
    return "kernel crashed" if restart is not None else "kernel ended without a word"


def _rival(
    before: Sequence[SessionRecord], present: SessionRecord, now: float, alive: Callable[[SessionRecord], bool]
) -> SessionRecord | None:
    """The newest session that lives beside this one."""
    for one in reversed(before):
        if one.ended is not None or _is_same_process(one, present):
            continue
        if is_same_machine(one, present):
            if alive(one):
                return one
        elif abs(now - one.heartbeat) < SILENT_SECONDS:
            return one
    return None


def _is_same_process(one: SessionRecord, other: SessionRecord) -> bool:
    if not is_same_machine(one, other) or one.pid != other.pid:
        return False
    return one.kernel_started is not None and one.kernel_started == other.kernel_started


def is_same_machine(one: SessionRecord, other: SessionRecord) -> bool:
    """Since it was started; a container on it is a machine of its own."""
    if one.endpoint and other.endpoint and one.endpoint != other.endpoint:
        return False
    return one.boot_id == other.boot_id and one.host == other.host


def _kind_of_place(record: SessionRecord) -> str:
    """What follows a comma is a detail: "Google Colab, in a script"."""
    return record.place.partition(",")[0]


def _in_a_row(kind: Kind, before: Sequence[SessionRecord]) -> int:
    """How often this has happened now without anything else between."""
    count = 1
    for one in reversed(before):
        if one.began_by != kind:
            break
        count += 1
    return count
