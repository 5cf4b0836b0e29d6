"""A session, as whoever looks at it sees it: everything it knows, in one immutable value.

It is made in the display's thread, too, while the training and the background go on; so each thing is read once.
"""

from __future__ import annotations

import time

from ..status import Progress, Status
from .session import Saving

__all__ = ["status_of"]


def status_of(
    saving: Saving,
    run: str,
    *,
    step: int,
    loop_seconds: float,
    progress: Progress | None = None,
    place: str = "",
    remote_name: str = "the remote",
) -> Status:
    """All that `saving` knows, together with where the loops are and what the places are called."""
    found, mirror = saving.found, saving.mirror
    saved, sent, safe = saving.saved, mirror.sent, mirror.safe
    return Status(
        run=run,
        session=saving.session,
        at=time.time(),
        happened=found.happened.text,
        advice=found.happened.advice,
        place=place,
        lives=saving.presence.lives(step=step, saves=saving.saves, saving_seconds=saving.saving_seconds),
        ended=saving.ended,
        step=step,
        epoch=progress.epoch if progress is not None else None,
        progress=progress,
        curve=saving.curve.curve,
        seconds_left=saving.limit.left,
        restored=found.good.step if found.good else None,
        restore_seconds=found.search.seconds,
        set_aside=tuple(f"{name}: {reason}" for name, reason in found.search.set_aside.items()),
        changed=found.changed,
        lost_steps=found.lost_steps,
        lost_seconds=found.lost_seconds,
        restarts=found.summary.restarts,
        replay=saving.replay.line if found.lost_steps else "",
        saved=saved.step if saved else None,
        saved_at=saved.created if saved else None,
        sent=sent.step if sent else None,
        sent_at=sent.created if sent else None,
        safe=safe.step if safe else None,
        safe_at=safe.created if safe else None,
        disk_free=saving.store.free(),
        remote_free=saving.remote_free(),
        proof=found.proof,
        sending=mirror.sending,
        folders=saving.folders.status,
        remote=saving.has_remote,
        remote_name=remote_name,
        saves=saving.saves,
        stall_seconds=saving.stall_seconds,
        slowed_seconds=saving.slowed_seconds,
        loop_seconds=loop_seconds,
        cadence=saving.cadence.reason,
        problems=tuple(saving.problems.values()),
    )
