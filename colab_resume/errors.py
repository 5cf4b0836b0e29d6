"""Every error this package raises, in one tree; each says what happened, why, and what to do next.

ColabResumeError
├── UsageError                a call that cannot be meant (also a ValueError)
│   └── Unanswered            a question is shown, and the cell is to be run again when it is answered
├── EncodingError             a value that cannot be stored; names its path (also a TypeError)
├── StateMismatch             the checkpoint does not fit the objects or the loop
├── CheckpointError
│   ├── DamagedCheckpoint     bytes are missing or are not what was written
│   └── NoGoodCheckpoint      checkpoints exist, none of them can be read
├── StoreError                the VM's own disk refused (full, read-only, locked by another process)
├── RemoteError
│   ├── RemoteUnavailable     passing: trying again can help
│   └── RemoteRefused         permanent: trying again cannot help
│       ├── NotThere          there is nothing of that name
│       ├── Overtaken         what was to be replaced, or was being read, has been changed by somebody else
│       └── RemoteFull        there is no space left
├── RunInUse                  another session works on the run
└── NotSafe                   `flush` or `finish` ended before the remote had confirmed
"""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "ColabResumeError",
    "DamagedCheckpoint",
    "EncodingError",
    "NoGoodCheckpoint",
    "NotSafe",
    "NotThere",
    "Overtaken",
    "RemoteError",
    "RemoteFull",
    "RemoteRefused",
    "RemoteUnavailable",
    "RunInUse",
    "StateMismatch",
    "StoreError",
    "Unanswered",
    "UsageError",
]


class ColabResumeError(Exception):
    """Root of the tree. `what` happened, and a `hint`: the next thing to do."""

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  -> {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.hint)


def _rebuild(kind: type[ColabResumeError], what: str, hint: str) -> ColabResumeError:
    return kind(what, hint=hint)


class UsageError(ColabResumeError, ValueError):
    """A call that cannot be meant."""


class Unanswered(UsageError):
    """A question stands in the notebook; its answer arrives only after the cell that asked has ended."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this in place of the traceback: it is no mistake of anybody's, only what to do."""
        return [str(self)]


class EncodingError(ColabResumeError, TypeError):
    """A value that cannot be stored."""


class StateMismatch(ColabResumeError):
    """The checkpoint does not fit the objects or the loop; nothing was applied."""


class CheckpointError(ColabResumeError):
    """Something is wrong with a checkpoint."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint's bytes are missing or are not what was written."""


class NoGoodCheckpoint(CheckpointError):
    """Checkpoints exist, and none of them can be read."""


class StoreError(ColabResumeError):
    """The VM's own disk refused."""


class RemoteError(ColabResumeError):
    """The remote did not do what was asked."""


class RemoteUnavailable(RemoteError):
    """Passing: trying again can help, after `retry_after` seconds if the remote asked for them."""

    retry_after = 0.0


class RemoteRefused(RemoteError):
    """Permanent: trying again cannot help until somebody changes something."""


class NotThere(RemoteRefused):
    """There is nothing of that name."""


class Overtaken(RemoteRefused):
    """What was to be replaced, or was being read, is no longer what it was: somebody else has changed it."""


class RemoteFull(RemoteRefused):
    """There is no space left; it goes on when some appears."""


class RunInUse(ColabResumeError):
    """Another session works on the run, or has taken it over."""


class NotSafe(ColabResumeError):
    """Whoever waited for safety did not get it in time."""
