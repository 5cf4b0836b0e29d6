"""What the page is made of: findings, each a line under its heading, and how one is made of whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...errors import ColabResumeError

__all__ = ["Finding", "whatever_happens"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line; `wrong` if it is not as it should be."""

    about: str
    text: str
    wrong: bool = False


def whatever_happens(about: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What `look` finds; if it fails, that is the last finding."""
    try:
        yield from look()
    except ColabResumeError as error:
        yield Finding(about=about, text=f"{error.what.rstrip('.')} — {error.hint}", wrong=True)
    except OSError as error:
        yield Finding(
            about=about, text=f"{error.filename}: {error.strerror}" if error.filename else str(error), wrong=True
        )
    except Exception as error:  # noqa: BLE001 - a page with a hole in it says more than a traceback
        yield Finding(about=about, text=f"this look failed: {type(error).__name__}: {error}", wrong=True)
