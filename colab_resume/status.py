"""What is going on, as one immutable value: the only thing that flows back from the stations to whoever looks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Curve", "Folder", "Life", "Progress", "Sending", "Status"]


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
class Progress:
    """How far the loops are: the epoch in progress and its batches, both counted from 0; None where nobody knows."""

    epoch: int | None = None
    epochs: int | None = None
    batch: int | None = None
    batches: int | None = None
    steps: int | None = None
    """How many steps `run.steps(n)` makes in all."""
    seconds_per_step: float | None = None

    @property
    def share(self) -> float | None:
        """How much of the training is done, between 0 and 1, as far as loops with a known end tell."""
        if not self.epochs or self.epoch is None:
            return None
        within = min(1.0, self.batch / self.batches) if self.batch is not None and self.batches else 0.0
        return min(1.0, (self.epoch + within) / self.epochs)


@dataclass(frozen=True, kw_only=True)
class Life:
    """One session of the run, as the history and the timeline show it. Times are seconds since 1970."""

    session: str
    began: float
    last_sign: float
    ended: str = ""
    """"clean", "interrupted", "failed", "exited"; empty while it lives, and for ever if it went silent."""
    lives: bool = False
    """Whether it is the present one, or known to live."""
    machine: str = ""
    """Where it ran, in few words: the place, the host's name, the GPU."""
    first_step: int = 0
    last_step: int = 0
    lost_steps: int = 0
    """How many of its last steps no checkpoint held, so that the next session made them again."""
    lost_seconds: float = 0.0
    saves: int = 0
    saving_seconds: float = 0.0
    """How long its loop stood still, or was slower, for saving."""
    why: str = ""
    """What began it, as `Status.happened` said it then."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One metric over the steps, thinned out to what a picture can show; `restarts` are the steps sessions began at."""

    name: str
    points: tuple[tuple[int, float], ...] = ()
    restarts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of another framework that is mirrored, as of its newest set. Times are seconds since 1970."""

    name: str
    files: int = 0
    size: int = 0
    """The bytes of all files."""
    captured_at: float | None = None
    """When its newest settled state was seen; None if there was none so far."""
    sent_at: float | None = None
    """When that was which the remote has taken whole; the same for what it has confirmed."""
    safe_at: float | None = None
    problem: str = ""

    @property
    def is_safe(self) -> bool:
        """Whether its newest settled state is what the remote has confirmed."""
        return self.captured_at == self.safe_at


@dataclass(frozen=True, kw_only=True)
class Status:
    """The run at one moment. Steps are counted from the run's beginning; times are seconds."""

    run: str
    session: str
    at: float = 0.0
    """When this was looked at, in seconds since 1970; the ages of what follows are counted from it."""
    happened: str = ""
    """What happened since the last sign of life, in one line: a first start, a kernel out of memory, a new VM, ..."""
    advice: str = ""
    """What to do about it, if there is something to be done."""
    place: str = ""
    """Where this runs and where checkpoints go from here, in one line."""
    ended: str = ""
    """How this session ended; empty while it lives."""
    progress: Progress | None = None
    curve: Curve | None = None
    lives: tuple[Life, ...] = ()
    """All sessions of the run that are known, the oldest first, this one last."""
    seconds_left: float | None = None
    """Until `session_limit`; None if there is none."""
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
    saved_at: float | None = None
    """When the state of that step was captured, in seconds since 1970; the same for the next two."""
    sent: int | None = None
    """The newest step that the remote has taken whole; a mounted Drive has it before it has uploaded it."""
    sent_at: float | None = None
    safe: int | None = None
    """The newest step that the remote has confirmed; None where it confirms nothing."""
    safe_at: float | None = None
    disk_free: int | None = None
    """Bytes free on the VM's disk."""
    remote_free: int | None = None
    """Bytes free on the remote, when it was asked last; None where it does not tell."""
    proof: str = ""
    """By what the remote knows that it has something, in words."""
    sending: Sending | None = None
    """What is being sent at the moment."""
    folders: tuple[Folder, ...] = ()
    """Those that `run.folder` has named."""
    remote: bool = True
    """Whether there is a remote at all."""
    remote_name: str = "the remote"
    """What people call it: "Drive", "s3", ..."""
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
