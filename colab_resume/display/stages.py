"""The way of a checkpoint in three stages, as texts: on this VM's disk, on its way, safe on the remote."""

from __future__ import annotations

from dataclasses import dataclass

from ..status import Status
from .marks import Mark
from .tables import ago, size, span

__all__ = ["Stage", "stages"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One of the three; `share`: how much of it has gone through."""

    title: str
    step: str
    detail: str
    mark: Mark
    share: float | None = None


def stages(status: Status) -> tuple[Stage, Stage, Stage]:
    """All three, in the order in which a checkpoint passes them."""
    return _saved(status), _on_its_way(status), _safe(status)


def _saved(status: Status) -> Stage:
    title = "Saved on this VM"
    if status.saved is None:
        return Stage(title=title, step="nothing yet", detail="", mark=Mark.WAITS)
    return Stage(title=title, step=f"step {status.saved}", detail=_age(status, status.saved_at), mark=Mark.GOOD)


def _on_its_way(status: Status) -> Stage:
    title = "On its way"
    sending = status.sending
    if not status.remote:
        return Stage(title=title, step="nowhere to go", detail="", mark=Mark.WAITS)
    if sending is not None:
        parts = [f"{size(min(sending.sent, sending.size))} of {size(sending.size)}"]
        if sending.rate is not None and sending.seconds_left is not None:
            parts += [f"{size(round(sending.rate))}/s", f"{span(sending.seconds_left)} left"]
        share = min(1.0, sending.sent / sending.size) if sending.size else 0.0
        return Stage(title=title, step=f"step {sending.step}", detail=" · ".join(parts), mark=Mark.MOVES, share=share)
    arrived = status.sent if status.sent is not None else status.safe
    if status.saved is not None and (arrived is None or status.saved > arrived):
        return Stage(title=title, step=f"step {status.saved}", detail="waits for its turn", mark=Mark.WAITS)
    if status.sent is not None and (status.safe is None or status.sent > status.safe):
        detail = "handed over, not confirmed yet"
        return Stage(title=title, step=f"step {status.sent}", detail=detail, mark=Mark.MOVES)
    if arrived is None:
        return Stage(title=title, step="nothing yet", detail="", mark=Mark.WAITS)
    return Stage(title=title, step="all sent", detail="nothing waits", mark=Mark.GOOD)


def _safe(status: Status) -> Stage:
    if not status.remote:
        detail = "what is saved goes when this VM goes"
        return Stage(title="Safe nowhere else", step="no remote", detail=detail, mark=Mark.WARN)
    title = f"Safe on {status.remote_name}"
    if status.safe is not None:
        return Stage(title=title, step=f"step {status.safe}", detail=_age(status, status.safe_at), mark=Mark.GOOD)
    if status.sent is not None:
        detail = f"{status.remote_name} has confirmed nothing so far"
        return Stage(title=title, step="unknown", detail=detail, mark=Mark.WAITS)
    return Stage(title=title, step="nothing yet", detail="", mark=Mark.WAITS)


def _age(status: Status, then: float | None) -> str:
    return "" if then is None else ago(status.at - then)
