"""The way of a checkpoint in three stages, as texts: on this VM's disk, on its way, safe on the remote."""

from __future__ import annotations

from dataclasses import dataclass

from ..sessions.times import span
from ..status import Sending, Status
from .marks import Mark
from .tables import ago, size

__all__ = ["Stage", "stages"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the three, in three lines under a title; `share`: how much of it has gone through."""

    title: str
    step: str
    mark: Mark
    detail: str = ""
    note: str = ""
    share: float | None = None


def stages(status: Status) -> tuple[Stage, Stage, Stage]:
    """All three, in the order in which a checkpoint passes them."""
    return _saved(status), _on_its_way(status), _safe(status)


def _saved(status: Status) -> Stage:
    title = "Saved on this VM"
    # Why it is so often comes after the colon; it has no room here.
    note = status.cadence.partition(":")[0]
    if status.saved is None:
        return Stage(title=title, step="nothing yet", mark=Mark.WAITS, note=note)
    age = _age(status, status.saved_at)
    return Stage(title=title, step=f"step {status.saved}", mark=Mark.GOOD, detail=age, note=note)


def _on_its_way(status: Status) -> Stage:
    title = "On its way"
    if not status.remote:
        return Stage(title=title, step="nowhere to go", mark=Mark.WAITS)
    if status.sending is not None:
        return _sending(title, status.sending)
    arrived = status.sent if status.sent is not None else status.safe
    if status.saved is not None and (arrived is None or status.saved > arrived):
        return Stage(title=title, step=f"step {status.saved}", mark=Mark.WAITS, detail="waits for its turn")
    if status.sent is not None and (status.safe is None or status.sent > status.safe):
        handed = f"handed to {status.remote_name}"
        return Stage(title=title, step=f"step {status.sent}", mark=Mark.MOVES, detail=handed, note="not confirmed yet")
    if arrived is None:
        return Stage(title=title, step="nothing yet", mark=Mark.WAITS)
    return Stage(title=title, step="all sent", mark=Mark.GOOD, detail="nothing waits")


def _sending(title: str, sending: Sending) -> Stage:
    pace = []
    if sending.rate is not None and sending.seconds_left is not None:
        pace = [f"{size(round(sending.rate))}/s", f"{span(sending.seconds_left)} left"]
    return Stage(
        title=title,
        step=f"step {sending.step}",
        mark=Mark.MOVES,
        detail=f"{size(min(sending.sent, sending.size))} of {size(sending.size)}",
        note=" · ".join(pace),
        share=min(1.0, sending.sent / sending.size) if sending.size else 0.0,
    )


def _safe(status: Status) -> Stage:
    if not status.remote:
        detail = "what is saved goes when this VM goes"
        return Stage(title="Safe nowhere else", step="no remote", mark=Mark.WARN, detail=detail)
    title = f"Safe on {status.remote_name}"
    if status.safe is not None:
        age, confirmed = _age(status, status.safe_at), f"confirmed by {status.remote_name}"
        return Stage(title=title, step=f"step {status.safe}", mark=Mark.GOOD, detail=age, note=confirmed)
    if status.sent is not None:
        return Stage(
            title=title, step="not known", mark=Mark.WAITS, detail="nothing is confirmed so far", note=status.proof
        )
    return Stage(title=title, step="nothing yet", mark=Mark.WAITS)


def _age(status: Status, then: float | None) -> str:
    return "" if then is None else ago(status.at - then)
