"""Leaving a training before its end: what was captured last is brought to safety, as far as the time allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..checkpoints.manifest import Manifest
from ..errors import ColabResumeError
from ..sessions.identity import Ending
from .session import Saving

__all__ = ["Parting", "part"]


@dataclass(frozen=True, kw_only=True)
class Parting:
    """How far it got: the newest step on the disk, the newest one the remote has, and what is missing, if anything."""

    saved: int | None
    sent: int | None
    safe: int | None
    lacking: str

    @property
    def line(self) -> str:
        """In one line, for people."""
        if self.saved is None:
            return "nothing was saved yet"
        if not self.lacking:
            return f"step {self.saved} is safe" if self.safe == self.saved else f"step {self.saved} is saved"
        return f"step {self.saved} is on this disk; {self.lacking}"


def part(
    saving: Saving,
    how: Ending | None,
    *,
    seconds: float,
    error: str = "",
    tell: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Parting:
    """Say in the session's record that it ended so, and wait up to `seconds` until all that was captured is safe.

    `how` is None if it goes on. `tell` hears what is waited for. A Ctrl-C while it waits ends the waiting, and nothing
    else; nothing is raised.
    """
    if how is not None:
        saving.end(how, error=error)
    end = clock() + seconds
    lacking = ""
    try:
        saving.writer.wait(seconds)
        if saving.has_remote and saving.saved is not None:
            tell(f"step {saving.saved.step} is on this disk; waiting up to {seconds:.0f} s for the remote (stop: skip)")
        saving.flush(max(0.0, end - clock()))
    except ColabResumeError as problem:
        lacking = problem.what
    except KeyboardInterrupt:
        lacking = "the rest was not waited for, and goes on in the background"
    return Parting(
        saved=_step(saving.saved), sent=_step(saving.mirror.sent), safe=_step(saving.mirror.safe), lacking=lacking
    )


def _step(manifest: Manifest | None) -> int | None:
    return manifest.step if manifest is not None else None
