"""Why a session failed, as its record says it: the exception, and the line of the user's code that it came from."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from types import TracebackType

from .machine import LONGEST_TEXT, one_line

__all__ = ["failure"]

_CELL = re.compile(r"<ipython-input-|/ipykernel_\d+/")
_NOT_THE_USERS = (
    f"{Path(__file__).parents[1]}/",
    *(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<frozen ",
)


def failure(error: BaseException) -> str:
    """One line: `ValueError: loss is nan (line 12 of train.py)`."""
    # An exception's own text may fail; why it was raised must still be told.
    try:
        text = str(error)
    except Exception:  # noqa: BLE001
        text = ""
    name = type(error).__name__
    what = f"{name}: {text}" if text else name
    place = _place(error.__traceback__)
    return _cut(one_line(what), place) if place else one_line(what)


def _cut(what: str, place: str) -> str:
    """A long text must not push the place out of the line."""
    room = LONGEST_TEXT - len(place) - len(" ()")
    return one_line(f"{what if len(what) <= room else what[: room - 1] + '…'} ({place})")


def _place(traceback: TracebackType | None) -> str:
    """The innermost frame of the user's own code, else the innermost of all."""
    found, users = "", ""
    while traceback is not None:
        file, line = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        found = f"line {line} of {'the cell' if _CELL.search(file) else Path(file).name}"
        users = users if file.startswith(_NOT_THE_USERS) else found
        traceback = traceback.tb_next
    return one_line(users or found)[:80]
