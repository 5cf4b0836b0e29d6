"""All sessions of a run as the history and the timeline show them: when and where each lived, and what was lost.

Pure arithmetic on records; nothing in them is believed further than numbers go.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..status import Life
from .history import in_order, steps_again, took
from .identity import SessionRecord
from .liveness import SILENT_SECONDS
from .telling import is_rented, short_gpu

__all__ = ["lives"]


def lives(
    records: Sequence[SessionRecord], present: SessionRecord | None = None, *, now: float, restorable: int = 0
) -> tuple[Life, ...]:
    """The oldest first, and `present`, if there is one, last: it lives until it says that it has ended.

    `restorable`: the step that the next session would go on from, which is how much the last one would lose; with
    `present`, nothing counts as lost of that one.
    """
    earlier = in_order([one for one in records if present is None or one.id != present.id])
    if present is not None:
        everyone, restorable = [*earlier, present], present.step
    else:
        everyone = earlier
    again = steps_again(everyone, restorable)
    found = []
    # The last one is followed by none.
    for record, following, lost in zip(everyone, [*everyone, None][1:], again, strict=True):
        alive = record.ended is None and (record is present or _may_live(record, following, now))
        found.append(_life(record, 0 if alive else lost, alive=alive))
    return tuple(found)


def _may_live(record: SessionRecord, following: SessionRecord | None, now: float) -> bool:
    """Whether it gave a sign of life just now, and not only before another one began."""
    is_over = following is not None and following.started >= record.heartbeat
    return not is_over and abs(now - record.heartbeat) < SILENT_SECONDS


def _life(record: SessionRecord, lost: int, *, alive: bool) -> Life:
    return Life(
        session=record.id,
        began=record.started,
        last_sign=max(record.heartbeat, record.started),
        ended=record.ended or "",
        lives=alive,
        machine=_machine(record),
        first_step=record.step if record.first_step is None else record.first_step,
        last_step=record.step,
        lost_steps=lost,
        lost_seconds=took(record, lost) or 0.0,
        saves=record.saves,
        saving_seconds=record.saving_seconds,
        why=record.began_by,
    )


def _machine(record: SessionRecord) -> str:
    """The name of a machine that comes and goes says nothing."""
    host = "" if is_rented(record.place) else record.host
    return ", ".join(text for text in (record.place, host, short_gpu(record.gpu)) if text)
