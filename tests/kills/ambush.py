"""Where a life ends: the process says that it has come to the chosen place, stands still there, and is killed.

Places inside the package are found by watching calls, not by replacing anything: a profile function counts the calls
to the operating system that are made within a scene, and stops before or after the chosen one.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import CodeType, FrameType
from typing import Any, Literal, NoReturn

from colab_resume.checkpoints.store import Store
from colab_resume.remotes.drive_api import DriveAPI
from colab_resume.remotes.drive_mount import DriveMount
from colab_resume.remotes.folder import FolderRemote
from colab_resume.restore import find
from colab_resume.run import Run

__all__ = ["Ambush", "Death", "Moment", "Told"]

Moment = Literal["anywhere", "save", "upload", "restore", "held"]


@dataclass(frozen=True, kw_only=True)
class Death:
    """`moment` and the `nth` chance there: a step of this life, or a call to the system, before or after it is made.

    The kill comes when the process has said that it is there, and `delay` seconds later if that is "anywhere", for then
    the process goes on meanwhile. After step `hold` of the training it stops in any case, and is "held".
    """

    moment: Moment
    nth: int
    hold: int
    delay: float = 0.0


@dataclass(frozen=True)
class Told:
    """What a process says before its end: which moment it is, and the step it is at (0: none in this life)."""

    moment: Moment
    step: int

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


_PATIENCE_SECONDS = 0.2

_CHANGING = {"sendall", "write", "pwrite", "flush", "ftruncate", "fsync", "rename", "replace", "unlink", "mkdir"}
_READING = {"open", "read", "readinto", "readline", "scandir"}

_SCENES: dict[Moment, tuple[CodeType, ...]] = {
    "save": (Store.commit.__code__,),
    "upload": (FolderRemote.put.__code__, DriveMount.put.__code__, DriveAPI.put.__code__),
    "restore": (find.__code__, Run.track.__code__),
}


class Ambush:
    """Lies in wait in a forked child; `pipe` leads to the one who kills."""

    def __init__(self, death: Death, pipe: int) -> None:
        self._death = death
        self._pipe = pipe
        self._scene = _SCENES.get(death.moment, ())
        self._calls = _CHANGING | _READING if death.moment == "restore" else _CHANGING
        self._inside: set[int] = set()
        self._chances = 0
        self._steps = 0
        self._step = 0
        self._told = threading.Event()

    def lie(self) -> None:
        """Before the life begins."""
        if self._death.moment == "restore":
            sys.setprofile(self._watch)
        elif self._scene:
            threading.setprofile(self._watch)
        elif self._death.moment == "anywhere" and self._death.nth == 0:
            self._tell("anywhere")

    def after_step(self, step: int) -> None:
        """The training has made one more step."""
        self._steps += 1
        self._step = step
        if self._death.moment == "anywhere" and self._steps == self._death.nth:
            self._tell("anywhere")
        if step >= self._death.hold:
            # Other threads may still come to the chosen place.
            self._told.wait(_PATIENCE_SECONDS if self._scene else 0)
            self._stand_still("held")

    def _watch(self, frame: FrameType, event: str, arg: Any) -> None:
        here = threading.get_ident()
        if frame.f_code in self._scene and event == "call" and _is_of_a_checkpoint(frame):
            self._inside.add(here)
        elif frame.f_code in self._scene and event == "return":
            self._inside.discard(here)
        elif here in self._inside and event in ("c_call", "c_return") and self._counts(arg):
            self._chances += 1
            if self._chances == self._death.nth:
                self._stand_still(self._death.moment)

    def _counts(self, function: Callable[..., Any]) -> bool:
        owner = getattr(function, "__self__", None)
        of_the_system = isinstance(owner, (io.IOBase, socket.socket)) or getattr(function, "__module__", None) in (
            "posix",
            "_io",
        )
        return of_the_system and getattr(function, "__name__", "") in self._calls

    def _tell(self, moment: Moment) -> None:
        self._told.set()
        os.write(self._pipe, Told(moment, self._step).line())

    def _stand_still(self, moment: Moment) -> NoReturn:
        self._tell(moment)
        while True:
            signal.pause()


def _is_of_a_checkpoint(frame: FrameType) -> bool:
    """An upload counts if it is that of a pack or a manifest, not of a record or a journal."""
    name = frame.f_locals.get("name", "")
    return frame.f_code not in _SCENES["upload"] or "/packs/" in name or "/checkpoints/" in name
