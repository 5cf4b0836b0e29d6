"""What is going on, as one immutable value: the only thing that flows back from the stations to whoever looks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Sending", "Status"]


@dataclass(frozen=True, kw_only=True)
class Sending:
    """A checkpoint on its way to the remote: the bytes of its packs, and the seconds since the first was sent."""

    step: int
    sent: int
    size: int
    seconds: float

    @property
    def rate(self) -> float | None:
        """Bytes a second so far; None as long as there is nothing to tell it from."""
        return self.sent / self.seconds if self.sent > 0 and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At that rate."""
        return (self.size - self.sent) / self.rate if self.rate else None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The run at one moment. Steps are counted from the run's beginning; times are seconds."""

    run: str
    session: str
    step: int = 0
    epoch: int | None = None
    restored: int | None = None
    """The step this session began at, if a checkpoint was found."""
    restore_seconds: float = 0.0
    set_aside: tuple[str, ...] = ()
    """Checkpoints that were not used, each with the reason."""
    changed: tuple[str, ...] = ()
    """Conditions that are not those the checkpoint was made under."""
    lost_steps: int = 0
    lost_seconds: float | None = None
    restarts: int = 0
    replay: str = ""
    """Whether the lost steps, run again, gave the same numbers."""
    saved: int | None = None
    """The newest step that is on the VM's disk."""
    sent: int | None = None
    """The newest step that the remote has taken whole; a mounted Drive has it before it has uploaded it."""
    safe: int | None = None
    """The newest step that the remote has confirmed; None where it confirms nothing."""
    proof: str = ""
    """By what the remote knows that it has something, in words."""
    sending: Sending | None = None
    """What is being sent at the moment."""
    remote: bool = True
    """Whether there is a remote at all."""
    saves: int = 0
    stall_seconds: float = 0.0
    """How long the loop has stood still for saving, all in all."""
    slowed_seconds: float = 0.0
    """How much longer steps have taken while something was written or sent, all in all."""
    loop_seconds: float = 0.0
    """How long the loop has run, all in all."""
    cadence: str = ""
    problems: tuple[str, ...] = ()
    """What does not work at the moment; training goes on."""

    @property
    def cost(self) -> float:
        """The part of the loop's time that went into saving, between 0 and 1."""
        return (self.stall_seconds + self.slowed_seconds) / self.loop_seconds if self.loop_seconds else 0.0
