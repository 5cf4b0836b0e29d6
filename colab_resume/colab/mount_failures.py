"""Why Drive could not be mounted, and what to do about it: what google.colab raises, in words.

It raises a different kind of error for each, most of them with a text that names no remedy
(https://github.com/googlecolab/colabtools/blob/main/google/colab/drive.py); they are told apart by kind and text,
because neither pexpect nor google.colab is imported for that.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from ..errors import RemoteError, RemoteRefused, RemoteUnavailable

__all__ = ["files_in_the_way", "mount_failure", "nobody_answered"]

_AGAIN = "run the cell again, or drive.mount('{point}'), and allow it; checkpoints wait on this disk until then"
_BOXES = (
    "run the cell again, or drive.mount('{point}'), and leave every box of the consent window ticked: an unticked one "
    "is the usual cause; if none was, disconnect and delete the runtime (menu Runtime) and start anew"
)
_FULL_ROOT = (
    "call drive.mount('{point}') once more, each try gets further; for good, move files from the top of My Drive into "
    "folders: https://research.google.com/colaboratory/faq.html#drive-timeout"
)
_POLICY = (
    "ask the administrator of your Google Workspace to allow Drive for desktop, or use another account, "
    'remote="drive:" or remote="gs://bucket/folder"'
)
_OTHER_REMOTE = 'say where checkpoints are to go: remote="drive:", remote="gs://bucket/folder", or a folder'
_NEW_VM = "this VM is not whole: disconnect and delete the runtime (menu Runtime) and start anew"
_PLACE = "choose a path without spaces in a folder that exists: drive.mount('/content/drive')"

_PASSING, _FOR_GOOD = RemoteUnavailable, RemoteRefused

# What the text holds, what is said, what to do; the first that fits.
_TEXTS: tuple[tuple[str, type[RemoteError], str, str], ...] = (
    ("credential propagation", _PASSING, "Colab got no credentials for it", _BOXES),
    ("domain policy", _FOR_GOOD, "the Google Workspace of this account does not allow it", _POLICY),
    ("timeout during initial read", _PASSING, "reading the top of My Drive takes too long", _FULL_ROOT),
    ("Mountpoint must", _FOR_GOOD, "that is no place for it", _PLACE),
    ("mount failed", _PASSING, "nobody allowed it, or Drive's program ended", _AGAIN),
)
_KINDS: dict[str, tuple[type[RemoteError], str, str]] = {
    "MessageError": (_PASSING, "the notebook's front end refused", _BOXES),
    "NotImplementedError": (_FOR_GOOD, "this machine cannot", _OTHER_REMOTE),
    "KeyError": (_FOR_GOOD, "a variable that Colab sets is missing", _NEW_VM),
    "TIMEOUT": (_PASSING, "Drive's program did not answer in time", _AGAIN),
    "EOF": (_PASSING, "Drive's program ended", _AGAIN),
}
_SHOWN = 200
"""Characters of the original text; what pexpect raises shows its whole inside."""


def mount_failure(point: Path, error: Exception) -> RemoteError:
    """The same, as an error that says what to do."""
    text = str(error)
    if "must not already contain files" in text:
        return files_in_the_way(point)
    fitting = next(((kind, why, hint) for sign, kind, why, hint in _TEXTS if sign in text), None)
    kind, why, hint = fitting or _by_kind(error) or (_PASSING, "for an unknown reason", _AGAIN)
    first = text.strip().split("\n")[0][:_SHOWN]
    told = f" ({type(error).__name__}: {first})" if first else f" ({type(error).__name__})"
    return kind(f"Drive could not be mounted at {point}: {why}{told}", hint=hint.format(point=point))


def _by_kind(error: Exception) -> tuple[type[RemoteError], str, str] | None:
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_KINDS[name] for name in names if name in _KINDS), None)


def files_in_the_way(point: Path) -> RemoteError:
    """Whoever writes there while nothing is mounted fills the VM's disk, and keeps Drive from being mounted."""
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(path.name for path in point.iterdir())
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return RemoteRefused(
        f"Drive could not be mounted at {point}: files of this VM's disk lie there ({shown or 'unreadable'})",
        hint=f"move them elsewhere, e.g. !mv {point} {point}_of_this_vm, and run the cell again; nothing was deleted",
    )


def nobody_answered(point: Path, seconds: float) -> RemoteError:
    """The front end and Drive's program together took longer than they may."""
    return RemoteUnavailable(
        f"Drive could not be mounted at {point}: nothing happened for {seconds:.0f} s",
        hint=f"{_AGAIN.format(point=point)}; with the colab CLI: run `colab drivemount` before",
    )
